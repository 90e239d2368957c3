// Package proxy is the door that speaks HTTP: it takes the calls of clients, has
// them admitted, passes them to the provider and the answers back, and sees to it
// that each hold is ended.
//
// call.go is the way of a call, step by step; forward.go is what happens while it
// is under way, and settle.go how it ends. The proxy decides nothing about limits.
// It must never forward a call without a hold, never let a hold go without an end,
// whatever the client, the provider or this code does, and never let a client wait
// for the bookkeeping.
package proxy
