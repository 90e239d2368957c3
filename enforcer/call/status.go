package call

// The statuses that answers have, by HTTP's numbers. Doors of other protocols translate
// them.
const (
	statusOK                    = 200
	statusBadRequest            = 400
	statusUnauthorized          = 401
	statusForbidden             = 403
	statusNotFound              = 404
	statusConflict              = 409
	statusRequestEntityTooLarge = 413
	statusUnprocessableEntity   = 422
	statusTooManyRequests       = 429
	statusBadGateway            = 502
	statusServiceUnavailable    = 503
)
