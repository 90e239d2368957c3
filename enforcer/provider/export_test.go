package provider

import (
	"context"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// KeyReader is how a Client reads the providers' keys.
func KeyReader(dir string) func(file string) (string, error) { return (&keyring{dir: dir}).read }

// Conn is a connection to a provider.
type Conn = conn

// Dial makes one without TLS.
func Dial(ctx context.Context, address string) (*Conn, error) {
	c, err := newDialer().dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*conn), nil
}

// The methods of a connection.
func (c *conn) Expect()           { c.expect() }
func (c *conn) MayWrite() bool    { return c.mayWrite() }
func (c *conn) ReadNothing() bool { return c.readNothing() }

// SetNow sets the clock.
func (r *Reports) SetNow(now func() time.Time) { r.now = now }

// Look looks for the files of the providers that there are.
func (r *Reports) Look(providers ...limiterv1.Provider) { r.look(providers) }

// Check checks those of the providers that are due.
func (c *Checker) Check(ctx context.Context, providers ...limiterv1.Provider) {
	c.check(ctx, providers)
}
