export interface RenderedInApp {
  title: string;
  body: string;
  url: string | null;
  imageUrl: string | null;
  data: Record<string, unknown>;
}
