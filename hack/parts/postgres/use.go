package postgres

import (
	"context"
	"fmt"
	"os"
)

// Use runs something, such as a package's tests, with a Postgres, and returns what that
// returns: an exit code. It is 1 when the Postgres does not start, or does not stop,
// which stderr says then.
func Use(run func(server *Server) int) (code int) {
	server, err := Start(context.Background(), Options{})
	if err != nil {
		return failed(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			code = failed(err)
		}
	}()
	return run(server)
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
