/** A NestJS module that stands for an election, and `@OnlyLeader()` for routes and for `@Cron` methods. */

import { type DynamicModule, HttpException, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common'
// In your project: 'tenure/gates' and 'tenure'.
import { refusal } from '../../../src/gates.ts'
import { Candidate, type CandidateOptions } from '../../../src/index.ts'

/** One election for each application, as it is for most. */
@Module({})
export class TenureModule implements OnModuleInit, OnApplicationShutdown {
  static candidate: Candidate

  static forRoot(options: CandidateOptions): DynamicModule {
    TenureModule.candidate = new Candidate(options)
    const provider = { provide: Candidate, useValue: TenureModule.candidate }
    return { module: TenureModule, global: true, providers: [provider], exports: [provider] }
  }

  /** Call `app.enableShutdownHooks()`, so that the lease is given back at once when the process is told to end. */
  onApplicationShutdown(): Promise<void> {
    return TenureModule.candidate.stop()
  }

  onModuleInit(): Promise<void> {
    return TenureModule.candidate.start()
  }
}

/** Where this process does not lead, a route answers 503 with the leader's address, and any other method does nothing. */
export function OnlyLeader(): MethodDecorator {
  return (_class, _name, descriptor: PropertyDescriptor) => {
    const method = descriptor.value
    const gated = function (this: unknown, ...args: unknown[]) {
      const other = refusal(TenureModule.candidate)
      if (!other) return method.apply(this, args)
      if (Reflect.hasMetadata('path', gated)) throw new HttpException(other.body, other.status)
    }
    // Decorators below this one have said something about the method: it counts for the gate.
    for (const key of Reflect.getMetadataKeys(method)) Reflect.defineMetadata(key, Reflect.getMetadata(key, method), gated)
    descriptor.value = gated
  }
}
