// What every application has of its own: who is signed in, by a cookie, and which role they have, by
// its database. These two stand for both.
const people = {
  'session-of-ana': { email: 'ana@shop.example', role: 'gerente' },
  'session-of-bo': { email: 'bo@shop.example', role: 'empleado' },
  'session-of-root': { email: 'root@elsewhere.example', role: 'gerente' },
}

export async function currentUser(request) {
  const cookie = request.headers.get('cookie') ?? ''
  return people[/(?:^|; )session=([^;]*)/.exec(cookie)?.[1]]
}
