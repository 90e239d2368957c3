package dist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bursar-dev/bursar/hack/release/archive"
	"github.com/bursar-dev/bursar/hack/release/licenses"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// Downloads is where the files of a release are.
const Downloads = "https://github.com/bursar-dev/bursar/releases/download/"

// Plugin compiles kubectl-budget for platforms, and writes an archive for each into a directory,
// with the list of what each is made of (sbom/) and the manifest with which krew installs them.
func Plugin(ctx context.Context, from source.Source, modules []licenses.Module, directory string, platforms ...source.Platform) error {
	license, err := os.ReadFile(filepath.Join(from.Root, "LICENSE"))
	if err != nil {
		return err
	}
	manifest := strings.NewReplacer("VERSION", from.Version).Replace(krew)
	for _, platform := range platforms {
		program, err := compiled(ctx, from, modules, directory, platform)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("kubectl-budget_%s_%s.tar.gz", platform.OS, platform.Arch)
		binary, pack := "kubectl-budget", archive.TarGzip
		if platform.OS == "windows" {
			name, binary, pack = strings.TrimSuffix(name, ".tar.gz")+".zip", "kubectl-budget.exe", archive.Zip
		}
		var packed bytes.Buffer
		if err := pack(&packed, from.Date, archive.File{Name: binary, Mode: 0o755, Content: program},
			archive.File{Name: "LICENSE", Mode: 0o644, Content: license},
			archive.File{Name: notices, Mode: 0o644, Content: licenses.Notices(modules)}); err != nil {
			return err
		}
		if err := write(directory, name, packed.Bytes()); err != nil {
			return err
		}
		digest := sha256.Sum256(packed.Bytes())
		manifest += fmt.Sprintf(krewPlatform, platform.OS, platform.Arch, Downloads+from.Version+"/"+name, hex.EncodeToString(digest[:]), binary)
	}
	return write(directory, "budget.krew.yaml", []byte(manifest))
}

// compiled is the plugin for a platform; what it is made of is listed in the directory.
func compiled(ctx context.Context, from source.Source, modules []licenses.Module, directory string, platform source.Platform) ([]byte, error) {
	temporary, err := os.MkdirTemp("", "bursar-plugin-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	const program = "kubectl-budget"
	path := filepath.Join(temporary, program)
	if err := from.Build(ctx, program, platform, path); err != nil {
		return nil, err
	}
	if err := list(from, modules, directory, program, program+"-"+platform.OS+"-"+platform.Arch, path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

const krew = `apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: budget
spec:
  version: VERSION
  homepage: https://github.com/bursar-dev/bursar
  shortDescription: Show and explain AI spend, and change budgets
  description: |
    Works with the budgets of Bursar: shows and adds up spending, explains why a call was
    refused, replays past calls under other limits, checks YAML, and makes keys, grants
    and prices.
  platforms:
`

const krewPlatform = `  - selector:
      matchLabels: {os: %s, arch: %s}
    uri: %s
    sha256: %s
    bin: %s
`
