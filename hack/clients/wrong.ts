// What the types that are generated from the OpenAPI document know to be wrong: tsc fails where one of
// these lines has no error. It is never run.
import { bursarOfUser } from './app/lib/bursar'

const bursar = (await bursarOfUser())!
// @ts-expect-error usage cannot be grouped by this
bursar.GET('/api/ai/usage', { params: { query: { by: ['colour'] } } })
// @ts-expect-error an amount is text, which is exact
bursar.POST('/api/ai/requests', { body: { limit: 'daily', amount: 5, reason: 'the launch', expiresAt: '2026-12-01T00:00:00Z' } })
// @ts-expect-error a request has a reason
bursar.POST('/api/ai/requests', { body: { limit: 'daily', amount: '5.00', expiresAt: '2026-12-01T00:00:00Z' } })
// @ts-expect-error there is no such route
bursar.GET('/api/ai/secrets')
const { data, error } = await bursar.GET('/api/ai/limits')
// @ts-expect-error the amount is absent of limits that are not one's own
data!.money[0].amount.usd
// @ts-expect-error an answer is there, or an error
data.money
// @ts-expect-error a problem has no such member
error!.colour
