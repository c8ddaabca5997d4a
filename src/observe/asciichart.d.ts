// The part of asciichart that the loss chart uses; the package ships no types.
declare module 'asciichart' {
  interface PlotConfig {
    readonly height?: number
    readonly offset?: number
    readonly padding?: string
    readonly colors?: readonly (string | undefined)[]
    readonly format?: (value: number) => string
  }
  const asciichart: {
    plot(series: readonly (readonly number[])[], config?: PlotConfig): string
    readonly cyan: string
    readonly green: string
  }
  export default asciichart
}
