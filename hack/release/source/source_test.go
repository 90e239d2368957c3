package source_test

import (
	"slices"
	"testing"

	"github.com/bursar-dev/bursar/hack/release/source"
)

func TestPlatforms(t *testing.T) {
	got, err := source.Platforms("linux/amd64,windows/amd64")
	want := []source.Platform{{OS: "linux", Arch: "amd64"}, {OS: "windows", Arch: "amd64"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, list := range []string{"", "linux", "linux/amd64,", "linux/mips"} {
		if got, err := source.Platforms(list); err == nil {
			t.Errorf("%q is %v", list, got)
		}
	}
}
