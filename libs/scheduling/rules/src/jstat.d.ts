/** What is used of jStat, which brings no types. */
declare module 'jstat' {
  const jStat: {
    beta: {
      pdf(x: number, alpha: number, beta: number): number;
      cdf(x: number, alpha: number, beta: number): number;
      inv(p: number, alpha: number, beta: number): number;
    };
  };
  export default jStat;
}
