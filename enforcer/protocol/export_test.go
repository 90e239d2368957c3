package protocol

// Copied is how many bytes of a stream were copied on their way through.
func Copied(answer Answer) int64 { return eventsOf(answer).copied }

// ReadEachFrame has a stream parse every frame.
func ReadEachFrame(answer Answer) { eventsOf(answer).varies = nil }

func eventsOf(answer Answer) *eventStream {
	switch s := answer.(type) {
	case *chatStream:
		return &s.events
	case *responsesStream:
		return &s.events
	case *messagesStream:
		return &s.events
	case *vercelStream:
		return &s.events
	case *generateStream:
		return &s.events
	}
	panic("no stream")
}

// BoundText is the bound of a text by a tokenizer.
var BoundText = boundText
