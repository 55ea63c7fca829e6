/**
 * Mail HTML in a frame that can run nothing, knows no origin of ours and reads no cookie. The HTML is posted to the
 * server and comes back under a content policy of its own: a `srcdoc` frame would inherit the page's, which allows
 * neither a mail's inline styles nor remote pictures, and loosening that would loosen the whole dashboard.
 */
import { useEffect, useId, useRef } from 'react';

interface MailFrameProps {
  title: string;
  html: string;
  /** Let remote pictures load. */
  images: boolean;
  className?: string;
  view: string;
}
export const MailFrame = (props: MailFrameProps) => (
  // A new frame for each content: navigating the old one would put every keystroke into the browser's history.
  <Frame key={`${props.images} ${props.html}`} {...props} />
);
const Frame = ({ title, html, images, className, view }: MailFrameProps) => {
  const name = `mail${useId()}`;
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.submit(), []);
  return (
    <>
      <form ref={form} method="post" action="/mail-frame" target={name} hidden>
        <input type="hidden" name="images" value={images ? '1' : '0'} />
        <input type="hidden" name="html" value={html} />
      </form>
      <iframe
        name={name}
        title={title}
        sandbox=""
        referrerPolicy="no-referrer"
        className={className}
        data-view={view}
      />
    </>
  );
};
