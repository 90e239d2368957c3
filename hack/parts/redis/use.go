package redis

import (
	"context"
	"fmt"
	"os"

	goredis "github.com/redis/go-redis/v9"
)

// Use runs something, such as a package's tests, with a Redis and a client of it, and
// returns what that returns: an exit code. It is not 0 when the Redis does not start,
// or does not stop, which stderr says then.
func Use(run func(server *Server, client *goredis.Client) int) (code int) {
	server, err := Start(context.Background(), Options{})
	if err != nil {
		return failed(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			code = failed(err)
		}
	}()
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer func() { _ = client.Close() }()
	return run(server, client)
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
