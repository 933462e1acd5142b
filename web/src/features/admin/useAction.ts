// A change on the server: says in a toast that it worked or why not, then asks for the list again.
import { type QueryKey, useMutation, useQueryClient } from '@tanstack/react-query'
import { toast } from '@/lib/toast'
import { errorText } from '@/ui/States'

export function useAction<T, R>(options: {
  run: (input: T) => Promise<R>
  done: string
  refresh?: QueryKey
  after?: (result: R) => void
  /** Failures the page shows itself. */
  shown?: (error: unknown) => boolean
}) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: options.run,
    onSuccess: async result => {
      void toast(options.done, 'good')
      options.after?.(result)
      if (options.refresh !== undefined) {
        await client.invalidateQueries({ queryKey: options.refresh })
      }
    },
    onError: e => {
      if (options.shown?.(e) !== true) {
        void toast(errorText(e), 'bad')
      }
    },
  })
}
