package protocol

import "net/textproto"

// Header are the fields of a header, by their canonical names.
type Header = textproto.MIMEHeader

// HeaderView is a view of the fields of a header.
type HeaderView interface {
	// Values are those of a field, in their order. Its name may be written in any case.
	Values(name string) []string
}

// The statuses that answers have, by HTTP's numbers. Doors of other protocols translate
// them.
const (
	StatusOK                    = 200
	StatusBadRequest            = 400
	StatusUnauthorized          = 401
	StatusPaymentRequired       = 402
	StatusForbidden             = 403
	StatusNotFound              = 404
	StatusMethodNotAllowed      = 405
	StatusRequestTimeout        = 408
	StatusConflict              = 409
	StatusRequestEntityTooLarge = 413
	StatusUnprocessableEntity   = 422
	StatusTooManyRequests       = 429
	StatusBadGateway            = 502
	StatusServiceUnavailable    = 503
)
