package protocol

// Refers reports whether a request may name something beside its model that the provider looks
// for, such as a file or an earlier response: what the provider denies, or does not find, may then
// be that.
func Refers(r ParsedRequest) bool {
	referring, ok := r.(interface{ refers() bool })
	return ok && referring.refers()
}

// refers is whether some of the input may be elsewhere than in the body. What stands in it and
// has no formula is taken for that, too.
func (in *input) refers() bool { return in.unknown != "" || in.images > 0 }

func (r *chatRequest) refers() bool      { return r.input.refers() }
func (r *responsesRequest) refers() bool { return r.input.refers() }
func (r *messagesRequest) refers() bool  { return r.input.refers() }
func (r *generateRequest) refers() bool  { return r.input.refers() }
func (r *vercelRequest) refers() bool    { return r.reads || r.input.refers() }

// What a helper asks for is not read, and not every provider has helpers.
func (r *helper) refers() bool { return true }
