// The unmodified JavaScript client of Ollama against a gateway: node clients.mjs URL KEY. A line of JSON per check.
// It is copied beside its node_modules before it is run.
import { Ollama } from 'ollama'

const [url, key] = process.argv.slice(2)
const client = () => new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } })
const messages = [{ role: 'user', content: 'hi' }]
const tool = { type: 'function', function: { name: 'weather', description: 'the weather', parameters: { type: 'object', properties: { model: { type: 'string' } } } } }

function check(name, right, got) {
  console.log(JSON.stringify({ check: `ollama in JavaScript: ${name}`, right: Boolean(right), got: String(JSON.stringify(got)).slice(0, 300) }))
}

async function refused(name, call) {
  try {
    check(name, false, await call())
  } catch (error) {
    check(name, error.status_code === 403, `${error.status_code} ${error}`)
  }
}

const ollama = client()
check('list', (await ollama.list()).models.map((model) => model.name).join() === 'tiny:latest')
let parts = []
// A model of random weights that takes the likeliest token goes round in circles: its answer has no early end.
const circles = { temperature: 0 }
for await (const part of await ollama.chat({ model: 'tiny', messages, stream: true, options: circles })) parts.push(part)
check('chat, streamed, with the cap of the key', parts.at(-1).done && parts.at(-1).eval_count <= 16 && parts.length > 1, parts.at(-1))
const whole = await ollama.generate({ model: 'tiny', prompt: 'a', options: { num_predict: 100000 } })
check('generate, with the cap of the key', whole.done && whole.eval_count <= 16, whole.eval_count)
check('tools', (await ollama.chat({ model: 'tiny', messages, tools: [tool] })).done)
check('embed', (await ollama.embed({ model: 'tiny', input: ['a', 'b'] })).embeddings.length === 2)
check('show', (await ollama.show({ model: 'tiny' })).details)
check('ps', (await ollama.ps()).models)
await refused('pull is refused', () => ollama.pull({ model: 'tiny' }))
await refused('delete is refused', () => ollama.delete({ model: 'tiny' }))
await refused('another model is refused', () => ollama.generate({ model: 'other', prompt: 'a' }))
