// Package fakeprovider is a model provider that costs nothing: it speaks the APIs
// of OpenAI, Azure, Anthropic, Gemini and Vercel AI Gateway, generates a deterministic text, misbehaves when asked to, and
// keeps its own bill.
//
// The bill is an independent record of what calls cost. It must never be computed with
// Bursar's own packages: both would share the same mistakes.
package fakeprovider
