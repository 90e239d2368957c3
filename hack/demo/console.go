package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/bursar-dev/bursar/hack/parts/openid"
)

// looks is the user who looks at what the company has spent.
const looks = "carla"

// corporativoLooks signs a user in to the console, who looks at the costs of all.
func (d *demo) corporativoLooks(ctx context.Context) error {
	if err := d.stack.StartConsole(ctx); err != nil {
		return err
	}
	browser, err := openid.NewBrowser()
	if err != nil {
		return err
	}
	at := d.stack.ConsoleURL + "/costs?by=user"
	page, err := openid.Open(ctx, browser, at, looks, openid.PasswordPrefix+looks)
	if err != nil {
		return err
	}
	if page.Status != http.StatusOK || page.URL.String() != at || !strings.Contains(page.Body, "corporativo-1") {
		return fmt.Errorf("%s is sent to %s, which answers %d without what corporativo-1 spent", looks, page.URL, page.Status)
	}
	fmt.Printf("  %s opens %s, is sent to sign in, and is back: HTTP %d, with what corporativo-1 spent\n", looks, at, page.Status)
	return nil
}

// stay keeps the console up until the person at the terminal ends it.
func (d *demo) stay(ctx context.Context) {
	fmt.Printf("\nThe console: %s\n  Sign in as %s, who sees all of acme, or as eva, who sees her own calls, with the password %sNAME.\n",
		d.stack.ConsoleURL, looks, openid.PasswordPrefix)
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		fmt.Println("  Standard output is not a terminal, so the demo ends now; make run keeps the console up.")
		return
	}
	fmt.Println("  Ctrl-C ends it.")
	<-ctx.Done()
}
