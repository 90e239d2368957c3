// app/api/budget/route.ts: what the user has spent and has left, and asking for more.
import { bursarOfUser } from '../../lib/bursar'

export async function GET() {
  const bursar = await bursarOfUser()
  if (!bursar) return new Response('Sign in first.', { status: 401 })
  const [usage, limits, calls, alerts] = await Promise.all([
    bursar.GET('/api/ai/usage', { params: { query: { by: ['day', 'model'] } } }), // of this month
    bursar.GET('/api/ai/limits'),
    bursar.GET('/api/ai/usage/calls', { params: { query: { limit: 20 } } }),
    bursar.GET('/api/ai/alerts', { params: { query: { open: true } } }),
  ])
  const problem = usage.error ?? limits.error ?? calls.error ?? alerts.error
  if (problem) return Response.json(problem, { status: problem.status })
  return Response.json({ usage: usage.data, limits: limits.data, calls: calls.data, alerts: alerts.data })
}

export async function POST(request: Request) {
  const bursar = await bursarOfUser()
  if (!bursar) return new Response('Sign in first.', { status: 401 })
  const { limit, amount, reason, expiresAt } = await request.json()
  const { data, error } = await bursar.POST('/api/ai/requests', { body: { limit, amount, reason, expiresAt } })
  return error ? Response.json(error, { status: error.status }) : Response.json(data, { status: 201 })
}
