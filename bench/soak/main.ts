/** `npm run soak`: the candidates on the file store. `npm run soak -- outbox`: the outbox on Postgres. */

if (process.argv[2] === 'outbox') await import('./outbox/main.ts')
else await import('./file.ts')

export {}
