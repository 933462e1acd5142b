// PromQL functions and aggregations with their signatures and one line each, in both languages. They are
// kept here and not in the catalogues because only the editor's chunk needs them.

interface FunctionDoc {
  /** v = instant vector, r[] = range vector, s = scalar, "t" = text. */
  signature: string
  en: string
  ko: string
}

const doc = (signature: string, en: string, ko: string): FunctionDoc => ({ signature, en, ko })

export const FUNCTIONS: Record<string, FunctionDoc> = {
  abs: doc('abs(v)', 'Absolute value', '절댓값'),
  absent: doc('absent(v)', '1 when nothing matches, else nothing', '해당 계열이 없으면 1, 있으면 없음'),
  absent_over_time: doc(
    'absent_over_time(r[d])',
    '1 when there was no sample in the range',
    '구간에 샘플이 없으면 1',
  ),
  acos: doc('acos(v)', 'Arccosine in radians', '아크코사인(라디안)'),
  acosh: doc('acosh(v)', 'Inverse hyperbolic cosine', '역쌍곡코사인'),
  asin: doc('asin(v)', 'Arcsine in radians', '아크사인(라디안)'),
  asinh: doc('asinh(v)', 'Inverse hyperbolic sine', '역쌍곡사인'),
  atan: doc('atan(v)', 'Arctangent in radians', '아크탄젠트(라디안)'),
  atanh: doc('atanh(v)', 'Inverse hyperbolic tangent', '역쌍곡탄젠트'),
  avg_over_time: doc('avg_over_time(r[d])', 'Mean of the samples in the range', '구간 샘플의 평균'),
  ceil: doc('ceil(v)', 'Rounded up', '올림'),
  changes: doc('changes(r[d])', 'How often the value changed in the range', '구간에서 값이 바뀐 횟수'),
  clamp: doc('clamp(v, min s, max s)', 'Held between two limits', '두 한계 사이로 제한'),
  clamp_max: doc('clamp_max(v, max s)', 'Held below a limit', '상한으로 제한'),
  clamp_min: doc('clamp_min(v, min s)', 'Held above a limit', '하한으로 제한'),
  cos: doc('cos(v)', 'Cosine', '코사인'),
  cosh: doc('cosh(v)', 'Hyperbolic cosine', '쌍곡코사인'),
  count_over_time: doc('count_over_time(r[d])', 'Number of samples in the range', '구간의 샘플 수'),
  day_of_month: doc('day_of_month(v = vector(time()))', 'Day of the month, 1 to 31, UTC', '일(1~31), UTC'),
  day_of_week: doc(
    'day_of_week(v = vector(time()))',
    'Day of the week, 0 is Sunday, UTC',
    '요일(0은 일요일), UTC',
  ),
  day_of_year: doc(
    'day_of_year(v = vector(time()))',
    'Day of the year, 1 to 366, UTC',
    '연중 일(1~366), UTC',
  ),
  days_in_month: doc(
    'days_in_month(v = vector(time()))',
    'Days the month has, 28 to 31',
    '그 달의 날 수(28~31)',
  ),
  deg: doc('deg(v)', 'Radians to degrees', '라디안을 도로'),
  delta: doc('delta(r[d])', 'Difference of a gauge over the range', '구간에서 게이지의 차이'),
  deriv: doc('deriv(r[d])', 'Change per second by linear regression', '선형 회귀로 구한 초당 변화'),
  double_exponential_smoothing: doc(
    'double_exponential_smoothing(r[d], smoothing s, trend s)',
    'Smoothed value with its trend (experimental)',
    '추세를 포함한 평활값(실험적)',
  ),
  exp: doc('exp(v)', 'e to the power of the value', 'e의 거듭제곱'),
  first_over_time: doc(
    'first_over_time(r[d])',
    'First sample in the range (experimental)',
    '구간의 첫 샘플(실험적)',
  ),
  floor: doc('floor(v)', 'Rounded down', '내림'),
  histogram_avg: doc('histogram_avg(v)', 'Mean of a native histogram', '네이티브 히스토그램의 평균'),
  histogram_count: doc('histogram_count(v)', 'Count of a native histogram', '네이티브 히스토그램의 개수'),
  histogram_fraction: doc(
    'histogram_fraction(lower s, upper s, v)',
    'Share of observations between two values',
    '두 값 사이 관측의 비율',
  ),
  histogram_quantile: doc(
    'histogram_quantile(q s, v)',
    'Quantile of a histogram: buckets with le, or native',
    '히스토그램의 분위수(le 버킷 또는 네이티브)',
  ),
  histogram_quantiles: doc(
    'histogram_quantiles(v, "label", q s, …)',
    'Several quantiles at once (experimental)',
    '여러 분위수를 한 번에(실험적)',
  ),
  histogram_stddev: doc(
    'histogram_stddev(v)',
    'Standard deviation of a native histogram',
    '네이티브 히스토그램의 표준편차',
  ),
  histogram_stdvar: doc(
    'histogram_stdvar(v)',
    'Variance of a native histogram',
    '네이티브 히스토그램의 분산',
  ),
  histogram_sum: doc('histogram_sum(v)', 'Sum of a native histogram', '네이티브 히스토그램의 합'),
  hour: doc('hour(v = vector(time()))', 'Hour of the day, 0 to 23, UTC', '시(0~23), UTC'),
  idelta: doc('idelta(r[d])', 'Difference of the last two samples', '마지막 두 샘플의 차이'),
  increase: doc('increase(r[d])', 'Growth of a counter over the range', '구간에서 카운터의 증가량'),
  info: doc(
    'info(v, {…})',
    'Adds labels of info metrics (experimental)',
    '정보 메트릭의 레이블을 더함(실험적)',
  ),
  irate: doc('irate(r[d])', 'Per second, from the last two samples', '마지막 두 샘플로 구한 초당 증가'),
  label_join: doc(
    'label_join(v, "dst", "separator", "src", …)',
    'Joins labels into a new one',
    '여러 레이블을 이어 새 레이블로',
  ),
  label_replace: doc(
    'label_replace(v, "dst", "replacement", "src", "regex")',
    'Makes a label from a match of another',
    '다른 레이블의 일치 부분으로 레이블을 만듦',
  ),
  last_over_time: doc('last_over_time(r[d])', 'Newest sample in the range', '구간의 마지막 샘플'),
  ln: doc('ln(v)', 'Natural logarithm', '자연로그'),
  log10: doc('log10(v)', 'Decimal logarithm', '상용로그'),
  log2: doc('log2(v)', 'Binary logarithm', '이진로그'),
  mad_over_time: doc(
    'mad_over_time(r[d])',
    'Median absolute deviation (experimental)',
    '중앙값 절대 편차(실험적)',
  ),
  max_over_time: doc('max_over_time(r[d])', 'Largest sample in the range', '구간의 최댓값'),
  min_over_time: doc('min_over_time(r[d])', 'Smallest sample in the range', '구간의 최솟값'),
  minute: doc('minute(v = vector(time()))', 'Minute of the hour, 0 to 59, UTC', '분(0~59), UTC'),
  month: doc('month(v = vector(time()))', 'Month, 1 to 12, UTC', '월(1~12), UTC'),
  pi: doc('pi()', 'π', 'π'),
  predict_linear: doc(
    'predict_linear(r[d], seconds s)',
    'Value in so many seconds, by linear regression',
    '선형 회귀로 예측한 몇 초 뒤의 값',
  ),
  present_over_time: doc(
    'present_over_time(r[d])',
    '1 for each series with a sample in the range',
    '구간에 샘플이 있는 계열마다 1',
  ),
  quantile_over_time: doc(
    'quantile_over_time(q s, r[d])',
    'Quantile of the samples in the range',
    '구간 샘플의 분위수',
  ),
  rad: doc('rad(v)', 'Degrees to radians', '도를 라디안으로'),
  rate: doc(
    'rate(r[d])',
    'Growth of a counter per second, resets taken into account',
    '카운터의 초당 증가(리셋 반영)',
  ),
  resets: doc('resets(r[d])', 'How often a counter was reset', '카운터가 리셋된 횟수'),
  round: doc('round(v, to s = 1)', 'Rounded to a multiple', '배수로 반올림'),
  scalar: doc('scalar(v)', 'The value of the one series, else NaN', '하나뿐인 계열의 값, 아니면 NaN'),
  sgn: doc('sgn(v)', 'Sign: -1, 0 or 1', '부호: -1, 0, 1'),
  sin: doc('sin(v)', 'Sine', '사인'),
  sinh: doc('sinh(v)', 'Hyperbolic sine', '쌍곡사인'),
  sort: doc('sort(v)', 'Smallest first (instant queries)', '작은 값부터(즉시 쿼리)'),
  sort_by_label: doc(
    'sort_by_label(v, "label", …)',
    'Sorted by labels (experimental)',
    '레이블로 정렬(실험적)',
  ),
  sort_by_label_desc: doc(
    'sort_by_label_desc(v, "label", …)',
    'Sorted by labels, downwards (experimental)',
    '레이블 내림차순 정렬(실험적)',
  ),
  sort_desc: doc('sort_desc(v)', 'Largest first (instant queries)', '큰 값부터(즉시 쿼리)'),
  sqrt: doc('sqrt(v)', 'Square root', '제곱근'),
  stddev_over_time: doc('stddev_over_time(r[d])', 'Standard deviation in the range', '구간의 표준편차'),
  stdvar_over_time: doc('stdvar_over_time(r[d])', 'Variance in the range', '구간의 분산'),
  sum_over_time: doc('sum_over_time(r[d])', 'Sum of the samples in the range', '구간 샘플의 합'),
  tan: doc('tan(v)', 'Tangent', '탄젠트'),
  tanh: doc('tanh(v)', 'Hyperbolic tangent', '쌍곡탄젠트'),
  time: doc('time()', 'Evaluation time in Unix seconds', '계산 시각(유닉스 초)'),
  start_timestamp: doc(
    'start_timestamp(v)',
    'When the counter of the sample began, in Unix seconds; 0: not known',
    '샘플의 카운터가 시작된 시각(유닉스 초), 모르면 0',
  ),
  timestamp: doc('timestamp(v)', 'Time of the sample in Unix seconds', '샘플의 시각(유닉스 초)'),
  ts_of_first_over_time: doc(
    'ts_of_first_over_time(r[d])',
    'Time of the first sample (experimental)',
    '첫 샘플의 시각(실험적)',
  ),
  ts_of_last_over_time: doc(
    'ts_of_last_over_time(r[d])',
    'Time of the last sample (experimental)',
    '마지막 샘플의 시각(실험적)',
  ),
  ts_of_max_over_time: doc(
    'ts_of_max_over_time(r[d])',
    'Time of the largest sample (experimental)',
    '최댓값의 시각(실험적)',
  ),
  ts_of_min_over_time: doc(
    'ts_of_min_over_time(r[d])',
    'Time of the smallest sample (experimental)',
    '최솟값의 시각(실험적)',
  ),
  vector: doc('vector(s)', 'A scalar as a vector without labels', '스칼라를 레이블 없는 벡터로'),
  year: doc('year(v = vector(time()))', 'Year, UTC', '연도, UTC'),
  avg: doc('avg by (…) (v)', 'Mean over series', '계열의 평균'),
  bottomk: doc('bottomk by (…) (k s, v)', 'The k smallest series', '가장 작은 k개 계열'),
  count: doc('count by (…) (v)', 'Number of series', '계열의 수'),
  count_values: doc(
    'count_values by (…) ("label", v)',
    'Number of series for each value',
    '값마다 계열의 수',
  ),
  group: doc('group by (…) (v)', '1 for each group', '그룹마다 1'),
  limit_ratio: doc(
    'limit_ratio(ratio s, v)',
    'A share of the series (experimental)',
    '계열의 일부 비율(실험적)',
  ),
  limitk: doc('limitk(k s, v)', 'Any k series (experimental)', '아무 k개 계열(실험적)'),
  max: doc('max by (…) (v)', 'Largest over series', '계열 중 최댓값'),
  min: doc('min by (…) (v)', 'Smallest over series', '계열 중 최솟값'),
  quantile: doc('quantile by (…) (q s, v)', 'Quantile over series', '계열의 분위수'),
  stddev: doc('stddev by (…) (v)', 'Standard deviation over series', '계열의 표준편차'),
  stdvar: doc('stdvar by (…) (v)', 'Variance over series', '계열의 분산'),
  sum: doc('sum by (…) (v)', 'Sum over series', '계열의 합'),
  topk: doc('topk by (…) (k s, v)', 'The k largest series', '가장 큰 k개 계열'),
}

/** Words that stand before a bracket and are no functions. */
export const OTHER_WORDS = [
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'and',
  'or',
  'unless',
  'start',
  'end',
  'step',
  'range',
  'min_of',
  'max_of',
  'fill',
  'fill_left',
  'fill_right',
]

export const FUNCTION_NAMES = [...Object.keys(FUNCTIONS), ...OTHER_WORDS]

export function functionDoc(name: string, lang: string): { signature: string; text: string } | undefined {
  const d = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined
  return d === undefined ? undefined : { signature: d.signature, text: lang.startsWith('ko') ? d.ko : d.en }
}
