// What every client here does: make the call that its argument names, and print one
// line of JSON: what came back, or the error as the client's own library throws it.
// The base URL and the key are in the environment, and are all that is Bursar's.

export const key = process.env.BURSAR_KEY
export const prompt = process.env.PROMPT

// base is the base URL: at the path that the client's users write, unless the test has another.
export const base = (path) => process.env.BURSAR_URL + (process.env.BURSAR_BASE || path)

// weather is the tool that models are offered, and sunny what it says.
export const weather = { name: 'weather', description: 'The weather in a city', schema: object('city') }
export const sunny = 'sunny'

// story is the structure that answers are asked for.
export const story = { name: 'story', schema: object('title') }

function object(property) {
  return { type: 'object', properties: { [property]: { type: 'string' } }, required: [property], additionalProperties: false }
}

export async function run(calls) {
  const call = calls[process.argv[2]]
  if (!call) throw new Error(`no call ${process.argv[2]}; there are ${Object.keys(calls)}`)
  try {
    console.log(JSON.stringify({ text: await call() }))
  } catch (thrown) {
    // The AI SDK wraps the last error when it has tried again.
    const error = thrown.lastError ?? thrown
    console.log(JSON.stringify({ error: {
      name: error.constructor.name, status: error.status ?? error.statusCode, message: error.message,
    } }))
  }
}

// join is the text of a stream, whose pieces take finds in its chunks.
export async function join(stream, take) {
  let text = ''
  for await (const chunk of stream) text += take(chunk) ?? ''
  return text
}
