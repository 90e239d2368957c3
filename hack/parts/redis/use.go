package redis

import (
	"context"
	"fmt"
	"os"

	goredis "github.com/redis/go-redis/v9"
)

// Use calls run, such as a package's tests, with a Redis and a client of it, and returns
// the exit code that run returns. If the Redis does not start or stop, that is printed to
// stderr and the code is not 0.
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
