package pages_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

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
		then func(tb *tab)
	}{
		"usage":         {employee, wide, "/usage", nil},
		"usage-dark":    {employee, dark, "/usage", nil},
		"usage-narrow":  {employee, narrow, "/usage", nil},
		"costs":         {above, wide, "/costs", nil},
		"costs-dark":    {above, dark, "/costs", nil},
		"costs-narrow":  {above, narrow, "/costs", nil},
		"costs-spanish": {admin, spanish, "/costs?by=user", nil},
		"alerts":        {person{user: "diego"}, wide, "/alerts", nil},
		"budgets":       {above, wide, "/budgets", nil},
		"why":           {employee, wide, "/calls/call_re_r001", nil},
		"requests":      {admin, wide, "/requests", nil},
		"keys":          {admin, wide, "/keys", nil},
		"keys-dark":     {admin, dark, "/keys", nil},
		"keys-narrow":   {admin, narrow, "/keys", nil},
		"health":        {platform, wide, "/health", nil},
		"health-dark":   {platform, dark, "/health", nil},
		"health-narrow": {platform, narrow, "/health", nil},
		"change":        {person{user: "diego"}, wide, "/budgets/limits", tryLess},
	} {
		t.Run(name, func(t *testing.T) {
			tb := open(t, shot.who, shot.how)
			tb.visit(shot.path)
			if shot.then != nil {
				shot.then(tb)
			}
			testkit.Must(t, os.WriteFile(filepath.Join(dir, name+".png"), tb.picture(), 0o644)) //nolint:gosec // a picture for docs
		})
	}
}

// tryLess has the page of a budget's limits try less of the first.
func tryLess(tb *tab) {
	tb.do(chromedp.Clear(chromedp.CSS(`#limit-0-amount`)), chromedp.SendKeys(chromedp.CSS(`#limit-0-amount`), "3\r"))
	testkit.Eventually(tb.t, "it is tried", func() bool { return value[int](tb, `document.querySelectorAll(".preview").length`) == 2 })
}
