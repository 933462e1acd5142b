/** A signal fire on its stone tower. */
export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path
        fill="#e8622c"
        d="M16.400 2.500c.9 3.200-.6 5-2.300 6.900-1.800 2-3.600 4-3.100 7.100.2 1.500 1 2.700 2 3.500-.3-2.400.7-4.100 2.400-5.400.1 1.800 1 2.600 1.900 3.600.7.8 1.200 1.700 1 3 2-1 3.200-3 3.200-5.300 0-2.500-1.300-3.900-2.100-5.800-.8-1.800-.9-4.700-3-7.600z"
      />
      <path
        fill="currentColor"
        opacity=".72"
        d="M9.200 23h13.600l.9 2.500H8.300zM7.800 26.700h16.400l1 2.800H6.800z"
      />
    </svg>
  )
}
