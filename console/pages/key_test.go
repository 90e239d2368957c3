package pages_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// secretIn is the key that a page shows; empty for none.
var secretIn = regexp.MustCompile(`bursar_[a-z-]+_[0-9a-f]{64}`)

// keyOf is an APIKey as it is in the cluster.
func keyOf(t *testing.T, namespace, name string) *v1alpha1.APIKey {
	t.Helper()
	key := &v1alpha1.APIKey{}
	testkit.Must(t, shared.Cluster.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, key))
	return key
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// known waits until the console knows a key, and returns its page.
func known(t *testing.T, path, token string) (body string) {
	t.Helper()
	testkit.Eventually(t, "the console knows the key", func() bool {
		var status int
		status, body, _ = get(t, path, token, "en")
		return status == http.StatusOK
	})
	return body
}

// TestKeyForms: a member makes, replaces and deletes a key of their own. Each key is shown once, and
// is in no other page, in no URL and in no log.
func TestKeyForms(t *testing.T) {
	ana := employee.token()
	_, list, _ := get(t, "/keys", ana, "en")
	if !strings.Contains(list, `href="/keys?make=1"`) || strings.Contains(list, "name=\"tier\"") {
		t.Error("a member is not asked to make a key of their own")
	}
	status, to, body := post(t, "/keys", ana, url.Values{"name": {"report"}, "expires": {"30"}})
	first := secretIn.FindString(body)
	if status != http.StatusOK || to != "" || first == "" || !strings.Contains(body, "shown this once") {
		t.Fatalf("made: %d %q %s", status, to, body)
	}
	name := regexp.MustCompile(`report-[0-9a-f]{8}`).FindString(body)
	made := keyOf(t, "research", name)
	if made.Spec.SHA256 != hashOf(first) || made.Spec.User != "ana" || made.Spec.ExpiresAt.Sub(now()).Hours() > 30*24 {
		t.Errorf("made %+v", made.Spec)
	}
	page := known(t, "/keys/"+name, ana)
	if secretIn.MatchString(page) || !strings.Contains(page, "Not in force yet") || !strings.Contains(page, "Replace it") {
		t.Errorf("the page of the key: %s", page)
	}
	_, _, body = post(t, "/keys/"+name, ana, url.Values{"do": {"rotate"}, "overlap": {"1"}})
	second := secretIn.FindString(body)
	if rotated := keyOf(t, "research", name); second == "" || second == first || rotated.Spec.SHA256 != hashOf(second) || rotated.Spec.PreviousKeys[0].SHA256 != hashOf(first) {
		t.Errorf("replaced: %+v, %s", rotated.Spec, body)
	}
	if !strings.Contains(body, "The previous key works until") {
		t.Error("nobody is told until when the key before works")
	}
	testkit.Eventually(t, "the key's page says until when the one before works", func() bool {
		return strings.Contains(known(t, "/keys/"+name, ana), "The previous key works until")
	})
	status, to, body = post(t, "/keys/"+name, ana, url.Values{"do": {"delete"}})
	if status != http.StatusSeeOther || to != "/keys?done=deleted" {
		t.Fatalf("deleted: %d %s", status, body)
	}
	if _, list, _ = get(t, to, ana, "en"); strings.Contains(list, name) || !strings.Contains(list, "The key is deleted.") {
		t.Errorf("after that: %s", list)
	}
	for _, secret := range []string{first, second} {
		if logged := shared.logged.Bytes(); bytes.Contains(logged, []byte(secret)) || bytes.Contains(logged, []byte(hashOf(secret))) || len(logged) == 0 {
			t.Errorf("a key, or its hash, is in the log, or nothing is: %d bytes", len(logged))
		}
	}
}

// TestKeyFormsOfAdmins: an admin makes a key for anybody, and is told which field is wrong; what was
// typed is still there, and does not run.
func TestKeyFormsOfAdmins(t *testing.T) {
	rita := admin.token()
	for name, tc := range map[string]struct {
		fields url.Values
		want   int
		says   []string
	}{
		"a name":  {url.Values{"name": {"A b"}, "user": {"robot"}, "tier": {"empleado"}}, 422, []string{`<a href="#name">Name</a>`, `value="A b"`}},
		"no tier": {url.Values{"user": {"robot"}}, 422, []string{`<a href="#tier">Tier</a>`, `value="robot"`}},
		"a user":  {url.Values{"user": {evil}, "tier": {"empleado"}}, 422, []string{`<a href="#user">User</a>`, "&lt;script&gt;"}},
		"a label": {url.Values{"user": {"robot"}, "tier": {"empleado"}, "labels": {"search"}}, 422, []string{`<a href="#labels">Labels</a>`}},
		"there":   {url.Values{"name": {"ana-laptop"}, "user": {"robot"}, "tier": {"empleado"}}, 409, []string{"Nothing was changed"}},
	} {
		status, _, body := post(t, "/keys", rita, tc.fields)
		for _, text := range tc.says {
			if status != tc.want || !strings.Contains(body, text) {
				t.Errorf("%s: %d, %q is not in it", name, status, text)
			}
		}
		if strings.Contains(body, "<script>") || secretIn.MatchString(body) || len(inline(t, body)) > 0 {
			t.Errorf("%s: %s", name, body)
		}
	}
	status, _, body := post(t, "/keys", rita, url.Values{
		"name": {"robot"}, "user": {"robot"}, "tier": {"gerente"}, "groups": {"search, assistants"}, "labels": {"team=search"}, "models": {"gpt-4o*"}, "expires": {"0"},
	})
	if status != http.StatusOK || !secretIn.MatchString(body) {
		t.Fatalf("%d %s", status, body)
	}
	robot := keyOf(t, "research", "robot").Spec
	if len(robot.Groups) != 2 || robot.Labels["team"] != "search" || robot.Models[0] != "gpt-4o*" || robot.ExpiresAt != nil || robot.Tier != "gerente" {
		t.Errorf("made %+v", robot)
	}
	known(t, "/keys/robot", rita)
	status, _, body = post(t, "/keys/robot", rita, url.Values{"do": {"rotate"}, "overlap": {"5000"}})
	if status != 422 || secretIn.MatchString(body) {
		t.Errorf("an overlap that is none to choose: %d", status)
	}
	status, _, body = post(t, "/keys/ana-laptop", rita, url.Values{"do": {"rotate"}, "overlap": {"24"}})
	if status != 409 || !strings.Contains(body, "managed elsewhere") || !strings.Contains(body, "kubectl budget key rotate") || strings.Contains(body, "sha256:") {
		t.Errorf("what others manage: %d %s", status, body)
	}
	if status, _, _ := post(t, "/keys/robot", rita, url.Values{"do": {"delete"}}); status != http.StatusSeeOther {
		t.Errorf("deleted: %d", status)
	}
}

// TestKeyFormsOfOthers: nobody makes, replaces or deletes what is not theirs.
func TestKeyFormsOfOthers(t *testing.T) {
	rotate := url.Values{"do": {"rotate"}, "overlap": {"24"}}
	for name, tc := range map[string]struct {
		who    person
		path   string
		fields url.Values
		want   int
	}{
		"a member, for another":                {employee, "/keys", url.Values{"user": {"luis"}, "tier": {"empleado"}}, 403},
		"a member, of a higher tier":           {employee, "/keys", url.Values{"tier": {"corporativo"}}, 403},
		"a member, where that is not allowed":  {person{user: "pablo"}, "/keys", url.Values{}, 403},
		"a member, another's":                  {employee, "/keys/mei-laptop", rotate, 404},
		"a member, to delete another's":        {employee, "/keys/mei-laptop", url.Values{"do": {"delete"}}, 404},
		"a member, a key that an admin made":   {employee, "/keys/ana-laptop", rotate, 404},
		"an admin, in another tenant":          {admin, "/keys?tenant=support", url.Values{"user": {"x"}, "tier": {"empleado"}}, 403},
		"an admin, another tenant's":           {admin, "/keys/pablo-laptop?tenant=support", rotate, 403},
		"an admin, another tenant's by a name": {admin, "/keys/pablo-laptop", rotate, 404},
		"an admin of the tenant above":         {above, "/keys/ana-laptop?tenant=research", rotate, 403},
		"a stranger":                           {person{user: "stranger"}, "/keys?tenant=research", url.Values{"user": {"x"}, "tier": {"empleado"}}, 403},
		"nothing that is done":                 {employee, "/keys/ana-laptop", url.Values{"do": {"x"}}, 422},
	} {
		status, _, body := post(t, tc.path, tc.who.token(), tc.fields)
		if status != tc.want || secretIn.MatchString(body) {
			t.Errorf("%s: %d, want %d: %.600s", name, status, tc.want, body)
		}
	}
}

// TestKeysInABrowser: a member makes a key with the keyboard, copies it, and deletes it, where no
// script runs and where one does; nothing is in the way of anybody on the pages.
func TestKeysInABrowser(t *testing.T) {
	findBrowser(t)
	axe := axeScript(t)
	for _, how := range []look{{language: "en-US", width: 1280, height: 900, withoutScript: true}, {language: "es-AR", width: 360, height: 740, dark: true}} {
		tb := open(t, employee, how)
		tb.visit("/keys")
		tb.do(chromedp.Click(chromedp.CSS(`.head .button.primary`)))
		testkit.Eventually(t, "the form is there", func() bool { return value[bool](tb, `!!document.querySelector("#name")`) })
		tb.do(chromedp.SendKeys(chromedp.CSS(`#name`), "desk\r"))
		testkit.Eventually(t, "the key is shown", func() bool { return value[bool](tb, `!!document.querySelector("#secret")`) })
		if secret := value[string](tb, `document.querySelector("#secret").value`); !secretIn.MatchString(secret) {
			t.Errorf("shown: %q", secret)
		}
		if at := value[string](tb, `location.href`); secretIn.MatchString(at) {
			t.Errorf("the key is in the URL: %s", at)
		}
		if !how.withoutScript {
			for _, violation := range violations(tb, axe) {
				t.Errorf("the page with the key: %s", violation)
			}
		}
		if over := value[int](tb, `document.scrollingElement.scrollWidth - innerWidth`); over > 0 {
			t.Errorf("%d px are beyond the right edge", over)
		}
		name := regexp.MustCompile(`desk-[0-9a-f]{8}`).FindString(value[string](tb, `document.querySelector("dd").innerText`))
		known(t, "/keys/"+name, employee.token())
		tb.visit("/keys/" + name)
		if !how.withoutScript {
			for _, violation := range violations(tb, axe) {
				t.Errorf("the page of the key: %s", violation)
			}
		}
		tb.do(chromedp.Click(chromedp.CSS(`#sure summary`)), chromedp.Click(chromedp.CSS(`#sure button`)))
		testkit.Eventually(t, "the key is deleted", func() bool { return value[string](tb, `location.search`) == "?done=deleted" })
		if complaints := tb.complaints(); len(complaints) > 0 {
			t.Errorf("the browser complains: %q", complaints)
		}
	}
}
