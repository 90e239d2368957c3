package postgres

import (
	"context"
	"fmt"
	"os"
)

// Use calls run, such as a package's tests, with a Postgres, and returns the exit code that
// run returns. If the Postgres does not start or stop, that is printed to stderr and the code
// is 1.
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
