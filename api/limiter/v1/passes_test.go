package limiterv1_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

func TestPasses(t *testing.T) {
	for name, tc := range map[string]struct {
		passes []string
		field  string
		want   bool
	}{
		"nothing":                {nil, "plugins", false},
		"the field":              {[]string{"models", "plugins"}, "plugins", true},
		"another":                {[]string{"plugins"}, "plugin", false},
		"one within it":          {[]string{"provider"}, "provider.order", false},
		"the field around it":    {[]string{"provider.order"}, "provider", false},
		"all":                    {[]string{limiterv1.PassAllFields}, "tools[].type=web_search", true},
		"the value":              {[]string{"speed=fast"}, "speed=fast", true},
		"another value":          {[]string{"speed=fast"}, "speed=faster", false},
		"a value for any":        {[]string{"speed=fast"}, "speed", false},
		"any value":              {[]string{"speed"}, "speed=fast", true},
		"a value of a header":    {[]string{"anthropic-beta=a"}, "anthropic-beta=a", true},
		"an element is no array": {[]string{"tools.type"}, "tools[].type=x", false},
	} {
		t.Run(name, func(t *testing.T) {
			provider := limiterv1.Provider{PassFields: tc.passes}
			if got := provider.Passes(tc.field); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
