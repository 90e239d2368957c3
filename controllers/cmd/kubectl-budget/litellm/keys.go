package litellm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// readBudgets reads the budgets that keys and members may name.
func (i *importer) readBudgets() error {
	i.budgets = map[string]record{}
	budgets, err := readAll(i.Budgets, "budgets")
	for _, budget := range budgets {
		id := budget.text("budget_id")
		budget = budget.named(id)
		if budget.number("soft_budget") != "" {
			i.note(budget.where, "soft_budget is not carried over: only that of a team is")
		}
		i.budgets[id] = budget
	}
	return err
}

// readUsers reads the users, and gives them their budgets where no team pays.
func (i *importer) readUsers() error {
	i.users = map[string]record{}
	users, err := readAll(i.Users, "users")
	for _, user := range users {
		id := user.text("user_id")
		user = user.named(id)
		i.users[id] = user
		if a := i.allowanceOf(user); !a.isNone() {
			i.main.groupOf[i.userOf(id)] = i.main.group(i, user.where, "users", a)
		}
		i.noteSpend(user)
		if models, all := i.expand(user.list("models")); !all {
			i.note(user.where, "that it may call %s only is not carried over: keys say what may be called with them", strings.Join(models, ", "))
		}
		i.noteUnread(user, "model_spend", "budget_reset_at", "created_at", "updated_at", "user_email", "user_alias", "sso_user_id", "user_role", "teams", "team_id",
			"key_count", "organization_memberships", "password", "spend")
	}
	return err
}

// userOf is the name of a user in limits and in the ledger: the e-mail address, or else LiteLLM's id.
func (i *importer) userOf(id string) string {
	if user, found := i.users[id]; found {
		if email := user.text("user_email"); isUser.MatchString(email) {
			return email
		}
	}
	return userName(id)
}

// notOfKeys are members of a key that need no note.
var notOfKeys = []string{"spend", "model_spend", "budget_reset_at", "created_at", "updated_at", "created_by", "updated_by", "last_active", "soft_budget_cooldown",
	"key_name", "team_alias", "user", "created_by_user", "rotation_count", "last_refreshed_at", "user_email"}

// readKeys makes an APIKey of each key: the key itself goes on working, because LiteLLM keeps the
// same hash of it.
func (i *importer) readKeys() error {
	keys, err := readAll(i.Keys, "keys")
	for _, key := range keys {
		id := key.text("team_id")
		key = key.named(cmp.Or(key.text("key_alias"), key.text("key_name")))
		switch t := i.tenants[id]; {
		case id == dashboard:
		case id == "":
			i.readKey(key, i.main)
		case t == nil:
			i.note(key.where, "it is left out: its team %s is in none of the files of --teams", id)
		default:
			i.readKey(key, t)
		}
	}
	return err
}

func (i *importer) readKey(key record, t *tenant) {
	made := &v1alpha1.APIKey{}
	hash, ok := hashOf(key.text("token"))
	switch {
	case !ok:
		i.note(key.where, "it is left out: token is not the SHA-256 of a key")
		return
	case key.isTrue("blocked"):
		i.note(key.where, "it is left out: it is blocked")
		return
	case !i.readExpiry(key, made):
		return
	case !i.readModels(key, t, made):
		return
	}
	alias := key.text("key_alias")
	made.Namespace = t.name
	made.Name = t.keyNames.unique(cmp.Or(slug(alias), "key-"+hash[:8]))
	made.Spec.SHA256 = hash
	made.Spec.User = cmp.Or(i.userOf(key.text("user_id")), userName(alias), made.Name)
	made.Spec.Tier = t.tier(i, key.where, key.text("budget_id"), i.allowanceOf(key))
	group := t.groupOf[made.Spec.User]
	if group == "" && !t.each.isNone() {
		group = t.group(i, key.where, "users", t.each)
	}
	if group != "" {
		made.Spec.Groups = []v1alpha1.GivenGroup{v1alpha1.GivenGroup(group)}
	}
	i.noteSpend(key)
	i.noteUnread(key, notOfKeys...)
	t.keys = append(t.keys, made)
}

// hashOf is the hash of a key, as /key/list has it; if that has the key itself, its hash is computed.
func hashOf(token string) (hash string, ok bool) {
	if strings.HasPrefix(token, "sk-") {
		sum := sha256.Sum256([]byte(token))
		return hex.EncodeToString(sum[:]), true
	}
	return token, isHash.MatchString(token)
}

// readExpiry reads until when the key works; false if it no longer does.
func (i *importer) readExpiry(key record, made *v1alpha1.APIKey) bool {
	text := key.text("expires")
	if text == "" {
		return true
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.ParseInLocation("2006-01-02T15:04:05", strings.TrimSuffix(text, "Z"), time.UTC)
	}
	switch {
	case err != nil:
		i.note(key.where, "it is left out: expires is %q, which is no time", text)
		return false
	case !at.After(i.Now):
		i.note(key.where, "it is left out: it expired at %s", text)
		return false
	}
	made.Spec.ExpiresAt = &metav1.Time{Time: at.UTC().Truncate(time.Second)}
	return true
}

// maxKeyModels is how many names an APIKey may list.
const maxKeyModels = 64

// readModels reads which models may be called with the key: at most those that its team may call. It
// returns false if there are none.
func (i *importer) readModels(key record, t *tenant, made *v1alpha1.APIKey) bool {
	listed := key.list("models")
	names, all := i.expand(slices.DeleteFunc(slices.Clone(listed), func(name string) bool { return name == "all-team-models" }))
	if all || len(names) < len(listed) && slices.Contains(listed, "all-team-models") {
		names = t.models
		if names == nil {
			return true
		}
	}
	for _, name := range names {
		allowed := t.mayCall(name)
		switch {
		case !i.isAnswered(name):
			i.note(key.where, "that it may call %s is left out: there is no such model", name)
		case len(allowed) == 0:
			i.note(key.where, "that it may call %s is left out: its team may not", name)
		default:
			made.Spec.Models = append(made.Spec.Models, allowed...)
		}
	}
	slices.Sort(made.Spec.Models)
	made.Spec.Models = slices.Compact(made.Spec.Models)
	switch {
	case len(made.Spec.Models) == 0:
		i.note(key.where, "it is left out: it may call nothing that there is")
		return false
	case len(made.Spec.Models) > maxKeyModels:
		i.note(key.where, "it is left out: it may call %d models, and an APIKey lists %d at most: write a pattern", len(made.Spec.Models), maxKeyModels)
		return false
	}
	return true
}

// mayCall are the names and patterns that a key of the tenant may call because its models have a
// name, or a pattern. That is the name itself if the team's models match it, and otherwise those of
// the team's models that it matches. Of two patterns that overlap, but do not contain each other, it
// is none.
func (t *tenant) mayCall(name string) []string {
	if t.models == nil || limiterv1.Matches(t.models, name) {
		return []string{name}
	}
	return slices.DeleteFunc(slices.Clone(t.models), func(model string) bool { return !limiterv1.Matches([]string{name}, model) })
}

// readMembers makes members of the tenant of the members of a team, by their e-mail addresses.
func (i *importer) readMembers(t *tenant, team record) {
	members := team.parts("members_with_roles")
	if len(members) > 0 && i.IdentityProvider == "" {
		i.note(team.where, "its %d members are not carried over: --identity-provider names whose tokens they sign in with", len(members))
		return
	}
	for _, member := range members {
		i.readMember(t, member)
	}
}

func (i *importer) readMember(t *tenant, member record) {
	id, email := member.text("user_id"), member.text("user_email")
	if user, found := i.users[id]; found && email == "" {
		email = user.text("user_email")
	}
	if email == "" && isEmail.MatchString(id) {
		email = id
	}
	switch {
	case !isEmail.MatchString(email):
		i.note(member.where, "the member %s is left out: no e-mail address is known: give --users", id)
		return
	case slices.ContainsFunc(t.members, func(m v1alpha1.Member) bool { return strings.EqualFold(m.Email, email) }):
		i.note(member.where, "the member %s is left out: another has the same e-mail address", id)
		return
	}
	made := v1alpha1.Member{Email: email, Tier: standard, Admin: member.text("role") == "admin"}
	if user := i.userOf(cmp.Or(id, email)); isUser.MatchString(user) {
		made.User = user
	}
	if group := t.groupOf[made.User]; group != "" {
		made.Groups = []v1alpha1.GivenGroup{v1alpha1.GivenGroup(group)}
	}
	t.members = append(t.members, made)
}
