package redisclient_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/redisclient"
)

func TestOpen(t *testing.T) {
	for url, want := range map[string]string{
		"redis://:secret@127.0.0.1:1/2":                              "Redis<127.0.0.1:1 db:2>",
		"redis://127.0.0.1:1?master_name=bursar&addr=127.0.0.1:2":    "Redis<FailoverClient db:0>",
		"redis://:secret@127.0.0.1:1?addr=127.0.0.1:2&addr=[::1]:3":  "*redis.ClusterClient",
		"redis://:secret@127.0.0.1:1/not-a-database":                 "error",
		"https://:secret@127.0.0.1:1":                                "error",
		"redis://:secret@127.0.0.1:1?addr=127.0.0.1:2&nonsense=true": "error",
		"redis://:secret@%zz":                                        "error",
	} {
		client, err := redisclient.Open(url)
		if err != nil {
			if want != "error" || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: error %v, want %s", url, err, want)
			}
			continue
		}
		got := fmt.Sprintf("%T", client)
		if stringer, ok := client.(fmt.Stringer); ok {
			got = stringer.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
		_ = client.Close()
	}
}
