package protocol

import (
	"regexp"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// What OpenAI's guide to images and vision gives for the largest image: models that
// see tiles bill a base and at most 8 tiles, as an image is scaled to fit into 2048
// by 2048 pixels, its shorter side to 768, and a tile is 512 by 512; models that see
// patches bill at most 1536 of them, times a factor.
const (
	maxTiles   = 8
	maxPatches = 1536
)

// largestImage is how many tokens the largest image is for a model of OpenAI.
var largestImage = map[string]int64{
	"gpt-4o":               85 + 170*maxTiles,
	"chatgpt-4o":           85 + 170*maxTiles,
	"gpt-4.1":              85 + 170*maxTiles,
	"gpt-4.5-preview":      85 + 170*maxTiles,
	"gpt-4o-mini":          2833 + 5667*maxTiles,
	"gpt-5":                85 + 170*maxTiles, // 70 + 140 a tile are documented
	"gpt-5-chat":           85 + 170*maxTiles,
	"o1":                   85 + 170*maxTiles, // 75 + 150 a tile
	"o1-pro":               85 + 170*maxTiles,
	"o3":                   85 + 170*maxTiles,
	"computer-use-preview": 85 + 170*maxTiles, // 65 + 129 a tile
	"gpt-4.1-mini":         (maxPatches*162 + 99) / 100,
	"gpt-5-mini":           (maxPatches*162 + 99) / 100,
	"o4-mini":              (maxPatches*172 + 99) / 100,
	"gpt-4.1-nano":         (maxPatches*246 + 99) / 100,
	"gpt-5-nano":           (maxPatches*246 + 99) / 100,
}

// version is what a model's name may end in.
var version = regexp.MustCompile(`-(latest|\d{4}-\d{2}-\d{2})$`)

// unknownImage is the most tokens that one image is where nothing gives it.
func unknownImage(limiterv1.Model) int64 { return 0 }

// imageTokens is the most tokens that one image is for a model behind an API of
// OpenAI's; 0 when that is not documented. What a caller says of it does not count.
func imageTokens(model limiterv1.Model) int64 {
	if model.Unlisted {
		return 0
	}
	name := model.UpstreamName[strings.LastIndexByte(model.UpstreamName, '/')+1:] // "openai/gpt-4o" at a gateway
	return largestImage[version.ReplaceAllString(name, "")]
}
