export async function drill() {
  return 0;
}
