package provider

import "context"

// ReadKey is how the Client reads a provider's key.
func ReadKey(dir, file string) (string, error) { return keyring{dir: dir}.read(file) }

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
