// Package call handles a call from end to end: who makes it, what it asks for, what it
// can cost at most, whether it may be made, what it has cost, and where that is recorded.
// It is the same for every door.
//
// A door turns its protocol into calls. It begins a Call with what it has read, and has
// it admitted; it sends what is admitted to the provider, or has that done, and tells the
// Call of the answer piece by piece; and it ends the Call, whatever happened:
//
//	c := calls.Begin(request)
//	defer c.End()
//	forward, response := c.Admit(ctx)
//	if response != nil {
//		... // refused, or answered without a provider: this is what the client gets
//	}
//	c.Sending()
//	... // send forward; when there is no answer, the client gets c.NoAnswer(...)
//	head, response := c.Answer(status, header)
//	... // head, and then c.Pass(piece) for each piece, go to the client
//	... // c.Unshown(), if err says that it was cut off, and the door has sent nothing of it
//	rest := c.Finish(err)
//
// steps.go lists the steps, and each is in the file of its name. What others call a call
// is this call as they see it: an admission.Request is what the limiter is asked about, a
// protocol.BoundedCall is the request as it is addressed to one model.
//
// The package decides nothing about limits, which is admission's, and knows nothing of
// HTTP's connections, which are a door's. It must never let a call be forwarded without a
// hold, never leave a hold without an end once End is called, and never let a client
// wait for the bookkeeping.
package call
