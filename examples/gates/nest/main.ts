/** A NestJS application with a route and a schedule that are the leader's alone. */

import 'reflect-metadata'
import { Controller, Get, Injectable, Module, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Cron, ScheduleModule } from '@nestjs/schedule'
import { file } from '../../../src/stores/file.ts'
import { OnlyLeader, TenureModule } from './tenure.module.ts'

@Injectable()
class Reports {
  @Cron('* * * * * *')
  @OnlyLeader()
  nightly(): void {
    console.log('report', new Date().toISOString())
  }
}

@Controller()
class Jobs {
  @Get()
  anybody(): string {
    return 'anybody'
  }

  @OnlyLeader()
  @Post('jobs')
  begin() {
    return { fencingToken: TenureModule.candidate.tenure?.fencingToken }
  }
}

const port = Number(process.env['PORT'] ?? 3000)
const store = file({ dir: process.env['TENURE_DIR'] })

@Module({
  imports: [ScheduleModule.forRoot(), TenureModule.forRoot({ election: 'web', store, advert: `http://127.0.0.1:${port}` })],
  controllers: [Jobs],
  providers: [Reports],
})
class App {}

const app = await NestFactory.create(App, { logger: ['error'] })
app.enableShutdownHooks()
await app.listen(port, '127.0.0.1')
console.log('listening')
