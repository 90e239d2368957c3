package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/stack"
)

// secrets are texts, by what they are, that must be nowhere except where they were given.
var secrets = map[string]string{
	"a caller's API key":            keyOf(""),
	"a provider's API key":          stack.ProviderKey,
	"the databases' password":       stack.DatabasePassword,
	"the mail server's password":    receivers.MailPassword,
	"a webhook's signing secret":    strings.TrimPrefix(signingSecret, "whsec_"),
	"what somebody asked the model": secretPrompt,
}

// secretPrompt is in calls of a test.
const secretPrompt = "Tell me a story"

// noSecretsIn looks for secrets, after all tests, in what the programs have logged, in
// all that Redis and Postgres have, in resources and Events, and in metrics.
func noSecretsIn(ctx context.Context, s *stack.Stack) (found error) {
	places, err := s.Logs()
	if err != nil {
		return err
	}
	if places["Redis"], err = redisContents(ctx, s.RedisURL); err != nil {
		return err
	}
	if places["Postgres"], err = databaseContents(ctx, s.DatabaseURL); err != nil {
		return err
	}
	for _, kinds := range []string{"events", "tenantbudgets,ratelimitpolicies,modelproviders,apikeys,budgetgrants", "configmaps"} {
		out, err := s.RunKubectl(ctx, "get", kinds, "--all-namespaces", "--output=json")
		if err != nil {
			return err
		}
		places[kinds] = []byte(out)
	}
	for _, enforcer := range s.Enforcers {
		if places[enforcer.MetricsURL], err = get(ctx, enforcer.MetricsURL); err != nil {
			return err
		}
	}
	for name, content := range places {
		if len(content) == 0 {
			found = errors.Join(found, fmt.Errorf("nothing to look through: %s", name))
		}
		for what, secret := range secrets {
			if i := bytes.Index(content, []byte(secret)); i >= 0 {
				found = errors.Join(found, fmt.Errorf("%s is in %s: %q", what, name, content[max(0, i-100):i+len(secret)]))
			}
		}
	}
	return found
}

// databaseContents is every row of every table of Bursar's, as text.
func databaseContents(ctx context.Context, dsn string) ([]byte, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	const tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
	rows, _ := conn.Query(ctx, tables) // CollectRows has the error
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var contents bytes.Buffer
	for _, name := range names {
		if _, err := conn.PgConn().CopyTo(ctx, &contents, "COPY (SELECT * FROM "+name+") TO STDOUT"); err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
	}
	return contents.Bytes(), nil
}

// redisContents is all that Redis has, as it writes it to disk, uncompressed.
func redisContents(ctx context.Context, url string) ([]byte, error) {
	options, err := goredis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	client := goredis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.ConfigSet(ctx, "rdbcompression", "no").Err(); err != nil {
		return nil, err
	}
	if err := client.Save(ctx).Err(); err != nil {
		return nil, err
	}
	where, err := client.ConfigGet(ctx, "d*").Result()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(where["dir"], where["dbfilename"]))
}
