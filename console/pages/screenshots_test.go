package pages_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// picturesVariable names the directory into which pictures of the pages are written.
const picturesVariable = "BURSAR_PICTURES"

// TestPictures takes the pictures of docs/.
func TestPictures(t *testing.T) {
	dir := os.Getenv(picturesVariable)
	if dir == "" {
		t.Skip("set " + picturesVariable + ", as make screenshots does")
	}
	testkit.Must(t, os.MkdirAll(dir, 0o755))
	wide, narrow := look{language: "en-US", width: 1280, height: 800}, look{language: "en-US", width: 360, height: 740}
	dark, spanish := wide, wide
	dark.dark, spanish.language = true, "es-AR"
	for name, shot := range map[string]struct {
		who  person
		how  look
		path string
	}{
		"usage":         {employee, wide, "/usage"},
		"usage-dark":    {employee, dark, "/usage"},
		"usage-narrow":  {employee, narrow, "/usage"},
		"costs":         {above, wide, "/costs"},
		"costs-dark":    {above, dark, "/costs"},
		"costs-narrow":  {above, narrow, "/costs"},
		"costs-spanish": {admin, spanish, "/costs?by=user"},
		"alerts":        {person{user: "diego"}, wide, "/alerts"},
		"budgets":       {above, wide, "/budgets"},
		"why":           {employee, wide, "/calls/call_re_r001"},
		"requests":      {admin, wide, "/requests"},
	} {
		t.Run(name, func(t *testing.T) {
			tb := open(t, shot.who, shot.how)
			tb.visit(shot.path)
			testkit.Must(t, os.WriteFile(filepath.Join(dir, name+".png"), tb.picture(), 0o644)) //nolint:gosec // a picture for docs
		})
	}
}
