/** Values that are there at once or later. */

/** A value, or a promise of it: callers avoid a turn of the loop where no wait is needed. */
export type MaybePromise<T> = T | Promise<T>

/** Whether `value` has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return value instanceof Promise
}

/** Applies `next` at once when the value is there, otherwise when it comes. */
export function whenReady<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value)
}
