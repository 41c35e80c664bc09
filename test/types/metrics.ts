/** Compiled, never run: the real packages fit what the exporters and the logger ask of them. */

import { metrics } from '@opentelemetry/api'
import { pino } from 'pino'
import standard, * as named from 'prom-client'
import { fromPino } from '../../src/loggers/pino.ts'
import { opentelemetry } from '../../src/metrics/opentelemetry.ts'
import { prometheus } from '../../src/metrics/prometheus.ts'

export const exporters = [
  prometheus(standard),
  prometheus(named),
  prometheus(standard, { registry: new standard.Registry() }),
  prometheus(standard, { registry: new standard.Registry<standard.OpenMetricsContentType>() }),
  opentelemetry(metrics.getMeter('tenure')),
]

export const loggers = [
  fromPino(pino()),
  fromPino(pino({ level: 'debug' }).child({ part: 'election' })),
  fromPino(pino({ customLevels: { audit: 35 } })),
]
