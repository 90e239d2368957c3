// lib/bursar.ts: Bursar's API of usage, budgets and alerts, asked as the user who is signed in.
import createClient from 'openapi-fetch'
import type { paths } from './bursar-api'
import { stackServerApp } from '../stack'

export async function bursarOfUser() {
  const user = await stackServerApp.getUser()
  if (!user) return null
  const { accessToken } = await user.getAuthJson()
  return createClient<paths, `application/${string}`>({ // JSON, and no CSV
    baseUrl: process.env.BURSAR_CONSOLE_URL,
    headers: { Authorization: `Bearer ${accessToken}` },
    querySerializer: { array: { style: 'form', explode: false } }, // by=day,model
    cache: 'no-store', // one user's figures are no other's
  })
}
