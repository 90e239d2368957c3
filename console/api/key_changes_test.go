package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// keyIn is an APIKey of the tenant acme as it is in the cluster.
func keyIn(t *testing.T, name string) *v1alpha1.APIKey {
	t.Helper()
	key := &v1alpha1.APIKey{}
	testkit.Must(t, shared.admin.Get(t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, key))
	return key
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// shown expects that a key is shown.
func shown(t *testing.T, path, credential, body string) (k api.KeyShown) {
	t.Helper()
	got := doWith(t, http.MethodPost, path, credential, nil, body)
	want := http.StatusCreated
	if strings.HasSuffix(path, "/rotate") {
		want = http.StatusOK
	}
	if got.status != want || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s: %d %v %s", path, got.status, got.header, got.body)
	}
	got.read(t, &k)
	return k
}

// nameIn is the name of an APIKey without its namespace.
func nameIn(k api.KeyShown) string { return strings.TrimPrefix(k.APIKey.Name, "acme/") }

// letMembers lets members of acme make keys until the test ends.
func letMembers(t *testing.T, keys *v1alpha1.MemberKeys) {
	t.Helper()
	set := func(keys *v1alpha1.MemberKeys, want int) {
		budget := &v1alpha1.TenantBudget{}
		testkit.Must(t, shared.admin.Get(t.Context(), types.NamespacedName{Namespace: "acme", Name: "acme"}, budget))
		budget.Spec.MemberKeys = keys
		testkit.Must(t, shared.admin.Update(t.Context(), budget))
		testkit.Eventually(t, "the console knows what the tenant allows", func() bool {
			return do(t, http.MethodDelete, "/api/ai/keys/nothing", token("zoe.acme"), nil).status == want
		})
	}
	set(keys, 404)
	t.Cleanup(func() {
		budget := &v1alpha1.TenantBudget{}
		testkit.Must(t, shared.admin.Get(context.Background(), types.NamespacedName{Namespace: "acme", Name: "acme"}, budget))
		budget.Spec.MemberKeys = nil
		testkit.Must(t, shared.admin.Update(context.Background(), budget))
	})
}

// theirs is how many keys of their own somebody sees.
func theirs(t *testing.T, user string) int {
	t.Helper()
	return strings.Count(do(t, http.MethodGet, "/api/ai/keys", token(user), nil).body, `"user":"`+user+`"`)
}

// TestKeysOfMembers: a member makes, replaces and deletes keys for themselves that are what they
// are and no more, and only the hash of a key is kept.
func TestKeysOfMembers(t *testing.T) {
	had := theirs(t, "zoe.acme")
	letMembers(t, &v1alpha1.MemberKeys{Max: ptr.To(int32(had) + 1)})
	zoe := token("zoe.acme")
	made := shown(t, "/api/ai/keys", zoe, "{}")
	key := keyIn(t, nameIn(made))
	if key.Spec.SHA256 != hashOf(made.Secret) || key.Spec.User != "zoe.acme" || key.Spec.Tier != "empleado" || key.Spec.BudgetRef.Name != "acme" || key.Spec.ActFor != nil ||
		!key.Spec.ExpiresAt.Equal(&metav1.Time{Time: now.AddDate(0, 0, 90)}) || !strings.HasPrefix(made.Secret, "bursar_acme_") || key.ManagedFields[0].Manager != "bursar-console" {
		t.Errorf("made %+v, and in the cluster %+v", made, key.Spec)
	}
	testkit.Eventually(t, "the console knows the key", func() bool { return theirs(t, "zoe.acme") == had+1 })
	if code, _ := doWith(t, http.MethodPost, "/api/ai/keys", zoe, nil, "{}").problem(t); code != "too_many_keys" {
		t.Errorf("one too many: %s", code)
	}
	rotated := shown(t, "/api/ai/keys/"+nameIn(made)+"/rotate", zoe, `{"overlapHours": 2}`)
	key = keyIn(t, nameIn(made))
	if rotated.Secret == made.Secret || key.Spec.SHA256 != hashOf(rotated.Secret) || len(key.Spec.PreviousKeys) != 1 || key.Spec.PreviousKeys[0].SHA256 != hashOf(made.Secret) ||
		!rotated.Previous.Equal(now.Add(2*time.Hour)) {
		t.Errorf("rotated %+v, and in the cluster %+v", rotated, key.Spec)
	}
	for what, path := range map[string]string{"another's": "cora.acme", "one that is not there": "nothing"} {
		for _, ask := range []struct{ method, path string }{{http.MethodDelete, "/api/ai/keys/" + path}, {http.MethodPost, "/api/ai/keys/" + path + "/rotate"}} {
			if got := doWith(t, ask.method, ask.path, zoe, nil, "{}"); got.status != 404 {
				t.Errorf("%s %s: %d %s", ask.method, what, got.status, got.body)
			}
		}
	}
	testkit.Eventually(t, "it is deleted", func() bool {
		return do(t, http.MethodDelete, "/api/ai/keys/"+nameIn(made), zoe, nil).status == 200
	})
	testkit.Eventually(t, "the console knows that", func() bool { return theirs(t, "zoe.acme") == had })
}

// TestKeysAtOnce: of keys that a member makes at the same moment, as many are made as they may have.
func TestKeysAtOnce(t *testing.T) {
	had := theirs(t, "zoe.acme")
	letMembers(t, &v1alpha1.MemberKeys{Max: ptr.To(int32(had) + 2)})
	var making sync.WaitGroup
	var mu sync.Mutex
	var made []string
	for range 8 {
		making.Go(func() {
			got := doWith(t, http.MethodPost, "/api/ai/keys", token("zoe.acme"), nil, "{}")
			if got.status == http.StatusCreated {
				var shown api.KeyShown
				got.read(t, &shown)
				mu.Lock()
				defer mu.Unlock()
				made = append(made, nameIn(shown))
			}
		})
	}
	making.Wait()
	for _, name := range made {
		testkit.Must(t, shared.admin.Delete(t.Context(), keyIn(t, name)))
	}
	if len(made) != 2 {
		t.Errorf("%d keys were made at once, of 2 that are allowed", len(made))
	}
	testkit.Eventually(t, "the console knows that they are gone", func() bool { return theirs(t, "zoe.acme") == had })
}

// TestMembersMakeFewKeys: what each new key leaves behind in Redis is not a member's to fill it with.
func TestMembersMakeFewKeys(t *testing.T) {
	letMembers(t, &v1alpha1.MemberKeys{Max: ptr.To(int32(100))})
	ana := token("ana.acme")
	for range 50 {
		doWith(t, http.MethodPost, "/api/ai/keys/nothing/rotate", ana, nil, `{"overlapHours": 0}`)
	}
	for _, path := range []string{"/api/ai/keys/nothing/rotate", "/api/ai/keys"} {
		got := doWith(t, http.MethodPost, path, ana, nil, "{}")
		if code, _ := got.problem(t); got.status != 429 || code != "too_many_new_keys" || got.header.Get("Retry-After") == "" {
			t.Errorf("one too many at %s: %d %s", path, got.status, got.body)
		}
	}
	own := shown(t, "/api/ai/keys", token("adam.acme"), "{}")
	testkit.Must(t, shared.admin.Delete(t.Context(), keyIn(t, nameIn(own))))
}

// TestMembersDoNotChooseNames: a member cannot have an APIKey of a name that a grant, or a key that
// comes from Git later, is about.
func TestMembersDoNotChooseNames(t *testing.T) {
	letMembers(t, &v1alpha1.MemberKeys{Max: ptr.To(int32(100))})
	made := shown(t, "/api/ai/keys", token("zoe.acme"), `{"name": "nightly"}`)
	if !regexp.MustCompile(`^nightly-[0-9a-f]{8}$`).MatchString(nameIn(made)) {
		t.Errorf("made %s", made.APIKey.Name)
	}
	testkit.Must(t, shared.admin.Delete(t.Context(), keyIn(t, nameIn(made))))
}

// TestKeysThatNobodyMakes: nobody gets by a key what they are not.
func TestKeysThatNobodyMakes(t *testing.T) {
	letMembers(t, &v1alpha1.MemberKeys{Max: ptr.To(int32(100))})
	testkit.Must(t, create(t.Context(), &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "taken"},
		Spec:       v1alpha1.APIKeySpec{SHA256: hashOf("taken"), BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, User: "x", Tier: "gerente"},
	}))
	for what, tc := range map[string]struct {
		credential, body string
		status           int
		code             string
	}{
		"for another":             {token("ana.acme"), `{"user": "zoe.acme", "tier": "empleado"}`, 403, "forbidden"},
		"of another tier":         {token("ana.acme"), `{"tier": "corporativo"}`, 403, "forbidden"},
		"in no group":             {token("ana.acme"), `{"groups": []}`, 403, "forbidden"},
		"in another group":        {token("ana.acme"), `{"groups": ["research"]}`, 403, "forbidden"},
		"with labels":             {token("ana.acme"), `{"labels": {"team": "x"}}`, 403, "forbidden"},
		"for too long":            {token("ana.acme"), `{"expiresAt": "2027-11-18T00:00:00Z"}`, 422, "invalid_parameter"},
		"that has expired":        {token("adam.acme"), `{"user": "x", "tier": "empleado", "expiresAt": "2026-11-18T00:00:00Z"}`, 422, "invalid_parameter"},
		"with a key":              {"key-of-ana.acme", `{}`, 403, "forbidden"},
		"where it is not allowed": {token("gus.globex"), `{}`, 403, "forbidden"},
		"of no tier":              {token("adam.acme"), `{"user": "x"}`, 422, "invalid_parameter"},
		"of a user that none is":  {token("adam.acme"), `{"user": "a b", "tier": "empleado"}`, 422, "invalid_parameter"},
		"of a name that there is": {token("adam.acme"), `{"name": "taken", "user": "x", "tier": "empleado"}`, 409, "already_exists"},
	} {
		got := doWith(t, http.MethodPost, "/api/ai/keys", tc.credential, nil, tc.body)
		if code, _ := got.problem(t); got.status != tc.status || code != tc.code {
			t.Errorf("a key %s: %d %s", what, got.status, got.body)
		}
	}
}

// TestAHigherKeyOfMine: a key of a member that is more than they are is not theirs to replace, and
// what others manage is replaced by nobody here.
func TestAHigherKeyOfMine(t *testing.T) {
	letMembers(t, &v1alpha1.MemberKeys{})
	higher := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "higher"},
		Spec:       v1alpha1.APIKeySpec{SHA256: hashOf("higher"), BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, User: "zoe.acme", Tier: "gerente"},
	}
	testkit.Must(t, shared.admin.Create(t.Context(), higher, client.FieldOwner("argocd")))
	testkit.Must(t, decide(t.Context(), higher, metav1.ConditionTrue))
	if got := doWith(t, http.MethodPost, "/api/ai/keys/higher/rotate", token("zoe.acme"), nil, "{}"); got.status != 404 {
		t.Errorf("a member replaces it: %d %s", got.status, got.body)
	}
	got := doWith(t, http.MethodPost, "/api/ai/keys/higher/rotate", token("adam.acme"), nil, "{}")
	if code, _ := got.problem(t); code != "managed_elsewhere" || strings.Contains(got.body, "sha256:") {
		t.Errorf("what others manage is replaced, or the hash of a key that nobody has is to be committed: %s", got.body)
	}
	testkit.Must(t, shared.admin.Delete(t.Context(), keyIn(t, "higher")))
}

// TestKeysOfAdmins: an admin makes a key for anybody, and the platform's admins in every tenant.
func TestKeysOfAdmins(t *testing.T) {
	body := `{"name": "robot", "user": "robot@example.com", "tier": "gerente", "groups": ["research"], "labels": {"team": "search"}, "models": ["gpt-4o*"]}`
	made := shown(t, "/api/ai/keys?tenant=acme", token("pat", "platform"), body)
	key := keyIn(t, "robot")
	if made.APIKey.Name != "acme/robot" || key.Spec.Groups[0] != "research" || key.Spec.Labels["team"] != "search" || key.Spec.Models[0] != "gpt-4o*" || key.Spec.ExpiresAt != nil {
		t.Errorf("%+v", key.Spec)
	}
	own := shown(t, "/api/ai/keys", token("adam.acme"), `{}`)
	if got := keyIn(t, nameIn(own)); got.Spec.User != "adam.acme" || got.Spec.Tier != "empleado" || !strings.HasPrefix(got.Name, "adam-acme-") {
		t.Errorf("an admin's own: %+v", got)
	}
}
