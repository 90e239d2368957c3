package protocol

// Copied is how many bytes of a stream were copied on their way through.
func Copied(answer Answer) int64 {
	switch s := answer.(type) {
	case *chatStream:
		return s.events.copied
	case *responsesStream:
		return s.events.copied
	case *messagesStream:
		return s.events.copied
	case *vercelStream:
		return s.events.copied
	case *generateStream:
		return s.events.copied
	}
	return -1
}

// BoundText is the bound of a text by a tokenizer.
var BoundText = boundText
