// What a test leaves in a page for itself to find again.
interface Window {
  [left: string]: any;
}
