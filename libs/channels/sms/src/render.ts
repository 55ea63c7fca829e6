export interface RenderedSms {
  body: string;
  encoding: 'GSM-7' | 'UCS-2';
  segments: number;
}
