package protocol

import (
	"encoding/json"
	"slices"
)

// MaxRejection is the most bytes of an answer that says that Bursar's key is rejected: others
// are larger, or say something else.
const MaxRejection = 16 << 10

// KeyRejection is how to tell from the whole body of an answer with that status whether a
// provider of the protocol rejects Bursar's key with it; nil where the body does not matter,
// because the status says it (401), or does not.
func KeyRejection(p Protocol, status int) func(body []byte) bool {
	told, ok := p.(interface {
		keyRejection(status int) func(body []byte) bool
	})
	if !ok {
		return nil
	}
	return told.keyRejection(status)
}

// keyRejection: Google answers 400 to a key that it does not know, and says why in details.
func (Gemini) keyRejection(status int) func(body []byte) bool {
	if status != StatusBadRequest {
		return nil
	}
	return isInvalidGoogleKey
}

// isInvalidGoogleKey reports whether Google says that a key is not valid. The message is not
// looked at: it may quote the request, which is the caller's.
func isInvalidGoogleKey(body []byte) bool {
	var answer struct {
		Error googleError `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error.Status != "INVALID_ARGUMENT" {
		return false
	}
	return slices.Contains(answer.Error.Details, googleErrInfo{errorInfo, "API_KEY_INVALID", "googleapis.com"})
}
