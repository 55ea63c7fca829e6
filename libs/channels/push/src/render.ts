export interface RenderedPush {
  title: string;
  body: string;
  url: string | null;
  imageUrl: string | null;
  data: Record<string, string>;
  collapseKey: string | null;
}
