#pragma once

// Made by tests/reference/tokenizer/make_character_sets.py.

#include <array>
#include <string_view>
#include <utility>

namespace catenary::tokenizer {

// clang-format off

/// What Punctuation and BertPreTokenizer take for punctuation.
inline constexpr std::string_view kPunctuation =
    R"([\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}\x{A1}\x{A7}\x{AB}\x{B6}-\x{B7}\x{BB}\x{BF}\x{37E})"
    R"(\x{387}\x{55A}-\x{55F}\x{589}-\x{58A}\x{5BE}\x{5C0}\x{5C3}\x{5C6}\x{5F3}-\x{5F4}\x{609}-\x{60A})"
    R"(\x{60C}-\x{60D}\x{61B}\x{61E}-\x{61F}\x{66A}-\x{66D}\x{6D4}\x{700}-\x{70D}\x{7F7}-\x{7F9}\x{830}-\x{83E})"
    R"(\x{85E}\x{964}-\x{965}\x{970}\x{AF0}\x{DF4}\x{E4F}\x{E5A}-\x{E5B}\x{F04}-\x{F12}\x{F14}\x{F3A}-\x{F3D})"
    R"(\x{F85}\x{FD0}-\x{FD4}\x{FD9}-\x{FDA}\x{104A}-\x{104F}\x{10FB}\x{1360}-\x{1368}\x{1400}\x{166D}-\x{166E})"
    R"(\x{169B}-\x{169C}\x{16EB}-\x{16ED}\x{1735}-\x{1736}\x{17D4}-\x{17D6}\x{17D8}-\x{17DA}\x{1800}-\x{180A})"
    R"(\x{1944}-\x{1945}\x{1A1E}-\x{1A1F}\x{1AA0}-\x{1AA6}\x{1AA8}-\x{1AAD}\x{1B5A}-\x{1B60}\x{1BFC}-\x{1BFF})"
    R"(\x{1C3B}-\x{1C3F}\x{1C7E}-\x{1C7F}\x{1CC0}-\x{1CC7}\x{1CD3}\x{2010}-\x{2027}\x{2030}-\x{2043})"
    R"(\x{2045}-\x{2051}\x{2053}-\x{205E}\x{207D}-\x{207E}\x{208D}-\x{208E}\x{2308}-\x{230B}\x{2329}-\x{232A})"
    R"(\x{2768}-\x{2775}\x{27C5}-\x{27C6}\x{27E6}-\x{27EF}\x{2983}-\x{2998}\x{29D8}-\x{29DB}\x{29FC}-\x{29FD})"
    R"(\x{2CF9}-\x{2CFC}\x{2CFE}-\x{2CFF}\x{2D70}\x{2E00}-\x{2E2E}\x{2E30}-\x{2E42}\x{3001}-\x{3003})"
    R"(\x{3008}-\x{3011}\x{3014}-\x{301F}\x{3030}\x{303D}\x{30A0}\x{30FB}\x{A4FE}-\x{A4FF}\x{A60D}-\x{A60F})"
    R"(\x{A673}\x{A67E}\x{A6F2}-\x{A6F7}\x{A874}-\x{A877}\x{A8CE}-\x{A8CF}\x{A8F8}-\x{A8FA}\x{A8FC})"
    R"(\x{A92E}-\x{A92F}\x{A95F}\x{A9C1}-\x{A9CD}\x{A9DE}-\x{A9DF}\x{AA5C}-\x{AA5F}\x{AADE}-\x{AADF})"
    R"(\x{AAF0}-\x{AAF1}\x{ABEB}\x{FD3E}-\x{FD3F}\x{FE10}-\x{FE19}\x{FE30}-\x{FE52}\x{FE54}-\x{FE61}\x{FE63})"
    R"(\x{FE68}\x{FE6A}-\x{FE6B}\x{FF01}-\x{FF03}\x{FF05}-\x{FF0A}\x{FF0C}-\x{FF0F}\x{FF1A}-\x{FF1B})"
    R"(\x{FF1F}-\x{FF20}\x{FF3B}-\x{FF3D}\x{FF3F}\x{FF5B}\x{FF5D}\x{FF5F}-\x{FF65}\x{10100}-\x{10102}\x{1039F})"
    R"(\x{103D0}\x{1056F}\x{10857}\x{1091F}\x{1093F}\x{10A50}-\x{10A58}\x{10A7F}\x{10AF0}-\x{10AF6})"
    R"(\x{10B39}-\x{10B3F}\x{10B99}-\x{10B9C}\x{11047}-\x{1104D}\x{110BB}-\x{110BC}\x{110BE}-\x{110C1})"
    R"(\x{11140}-\x{11143}\x{11174}-\x{11175}\x{111C5}-\x{111C9}\x{111CD}\x{111DB}\x{111DD}-\x{111DF})"
    R"(\x{11238}-\x{1123D}\x{112A9}\x{114C6}\x{115C1}-\x{115D7}\x{11641}-\x{11643}\x{1173C}-\x{1173E})"
    R"(\x{12470}-\x{12474}\x{16A6E}-\x{16A6F}\x{16AF5}\x{16B37}-\x{16B3B}\x{16B44}\x{1BC9F}\x{1DA87}-\x{1DA8B}])";

/// What BertNormalizer's clean_text removes.
inline constexpr std::string_view kControl =
    R"([\x{0}-\x{8}\x{B}-\x{C}\x{E}-\x{1F}\x{7F}-\x{9F}\x{AD}\x{600}-\x{605}\x{61C}\x{6DD}\x{70F}\x{180E})"
    R"(\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{206F}\x{E000}-\x{F8FF}\x{FEFF})"
    R"(\x{FFF9}-\x{FFFB}\x{FFFD}\x{110BD}\x{1BCA0}-\x{1BCA3}\x{1D173}-\x{1D17A}\x{E0001}\x{E0020}-\x{E007F})"
    R"(\x{F0000}-\x{FFFFD}\x{100000}-\x{10FFFD}])";

/// What BertNormalizer's strip_accents removes after NFD.
inline constexpr std::string_view kNonspacingMark =
    R"([\x{300}-\x{36F}\x{483}-\x{487}\x{591}-\x{5BD}\x{5BF}\x{5C1}-\x{5C2}\x{5C4}-\x{5C5}\x{5C7}\x{610}-\x{61A})"
    R"(\x{64B}-\x{65F}\x{670}\x{6D6}-\x{6DC}\x{6DF}-\x{6E4}\x{6E7}-\x{6E8}\x{6EA}-\x{6ED}\x{711}\x{730}-\x{74A})"
    R"(\x{7A6}-\x{7B0}\x{7EB}-\x{7F3}\x{816}-\x{819}\x{81B}-\x{823}\x{825}-\x{827}\x{829}-\x{82D})"
    R"(\x{859}-\x{85B}\x{8E3}-\x{902}\x{93A}\x{93C}\x{941}-\x{948}\x{94D}\x{951}-\x{957}\x{962}-\x{963}\x{981})"
    R"(\x{9BC}\x{9C1}-\x{9C4}\x{9CD}\x{9E2}-\x{9E3}\x{A01}-\x{A02}\x{A3C}\x{A41}-\x{A42}\x{A47}-\x{A48})"
    R"(\x{A4B}-\x{A4D}\x{A51}\x{A70}-\x{A71}\x{A75}\x{A81}-\x{A82}\x{ABC}\x{AC1}-\x{AC5}\x{AC7}-\x{AC8}\x{ACD})"
    R"(\x{AE2}-\x{AE3}\x{B01}\x{B3C}\x{B3F}\x{B41}-\x{B44}\x{B4D}\x{B56}\x{B62}-\x{B63}\x{B82}\x{BC0}\x{BCD})"
    R"(\x{C00}\x{C3E}-\x{C40}\x{C46}-\x{C48}\x{C4A}-\x{C4D}\x{C55}-\x{C56}\x{C62}-\x{C63}\x{C81}\x{CBC}\x{CBF})"
    R"(\x{CC6}\x{CCC}-\x{CCD}\x{CE2}-\x{CE3}\x{D01}\x{D41}-\x{D44}\x{D4D}\x{D62}-\x{D63}\x{DCA}\x{DD2}-\x{DD4})"
    R"(\x{DD6}\x{E31}\x{E34}-\x{E3A}\x{E47}-\x{E4E}\x{EB1}\x{EB4}-\x{EB9}\x{EBB}-\x{EBC}\x{EC8}-\x{ECD})"
    R"(\x{F18}-\x{F19}\x{F35}\x{F37}\x{F39}\x{F71}-\x{F7E}\x{F80}-\x{F84}\x{F86}-\x{F87}\x{F8D}-\x{F97})"
    R"(\x{F99}-\x{FBC}\x{FC6}\x{102D}-\x{1030}\x{1032}-\x{1037}\x{1039}-\x{103A}\x{103D}-\x{103E})"
    R"(\x{1058}-\x{1059}\x{105E}-\x{1060}\x{1071}-\x{1074}\x{1082}\x{1085}-\x{1086}\x{108D}\x{109D})"
    R"(\x{135D}-\x{135F}\x{1712}-\x{1714}\x{1732}-\x{1734}\x{1752}-\x{1753}\x{1772}-\x{1773}\x{17B4}-\x{17B5})"
    R"(\x{17B7}-\x{17BD}\x{17C6}\x{17C9}-\x{17D3}\x{17DD}\x{180B}-\x{180D}\x{18A9}\x{1920}-\x{1922})"
    R"(\x{1927}-\x{1928}\x{1932}\x{1939}-\x{193B}\x{1A17}-\x{1A18}\x{1A1B}\x{1A56}\x{1A58}-\x{1A5E}\x{1A60})"
    R"(\x{1A62}\x{1A65}-\x{1A6C}\x{1A73}-\x{1A7C}\x{1A7F}\x{1AB0}-\x{1ABD}\x{1B00}-\x{1B03}\x{1B34})"
    R"(\x{1B36}-\x{1B3A}\x{1B3C}\x{1B42}\x{1B6B}-\x{1B73}\x{1B80}-\x{1B81}\x{1BA2}-\x{1BA5}\x{1BA8}-\x{1BA9})"
    R"(\x{1BAB}-\x{1BAD}\x{1BE6}\x{1BE8}-\x{1BE9}\x{1BED}\x{1BEF}-\x{1BF1}\x{1C2C}-\x{1C33}\x{1C36}-\x{1C37})"
    R"(\x{1CD0}-\x{1CD2}\x{1CD4}-\x{1CE0}\x{1CE2}-\x{1CE8}\x{1CED}\x{1CF4}\x{1CF8}-\x{1CF9}\x{1DC0}-\x{1DF5})"
    R"(\x{1DFC}-\x{1DFF}\x{20D0}-\x{20DC}\x{20E1}\x{20E5}-\x{20F0}\x{2CEF}-\x{2CF1}\x{2D7F}\x{2DE0}-\x{2DFF})"
    R"(\x{302A}-\x{302D}\x{3099}-\x{309A}\x{A66F}\x{A674}-\x{A67D}\x{A69E}-\x{A69F}\x{A6F0}-\x{A6F1}\x{A802})"
    R"(\x{A806}\x{A80B}\x{A825}-\x{A826}\x{A8C4}\x{A8E0}-\x{A8F1}\x{A926}-\x{A92D}\x{A947}-\x{A951})"
    R"(\x{A980}-\x{A982}\x{A9B3}\x{A9B6}-\x{A9B9}\x{A9BC}\x{A9E5}\x{AA29}-\x{AA2E}\x{AA31}-\x{AA32})"
    R"(\x{AA35}-\x{AA36}\x{AA43}\x{AA4C}\x{AA7C}\x{AAB0}\x{AAB2}-\x{AAB4}\x{AAB7}-\x{AAB8}\x{AABE}-\x{AABF})"
    R"(\x{AAC1}\x{AAEC}-\x{AAED}\x{AAF6}\x{ABE5}\x{ABE8}\x{ABED}\x{FB1E}\x{FE00}-\x{FE0F}\x{FE20}-\x{FE2F})"
    R"(\x{101FD}\x{102E0}\x{10376}-\x{1037A}\x{10A01}-\x{10A03}\x{10A05}-\x{10A06}\x{10A0C}-\x{10A0F})"
    R"(\x{10A38}-\x{10A3A}\x{10A3F}\x{10AE5}-\x{10AE6}\x{11001}\x{11038}-\x{11046}\x{1107F}-\x{11081})"
    R"(\x{110B3}-\x{110B6}\x{110B9}-\x{110BA}\x{11100}-\x{11102}\x{11127}-\x{1112B}\x{1112D}-\x{11134}\x{11173})"
    R"(\x{11180}-\x{11181}\x{111B6}-\x{111BE}\x{111CA}-\x{111CC}\x{1122F}-\x{11231}\x{11234}\x{11236}-\x{11237})"
    R"(\x{112DF}\x{112E3}-\x{112EA}\x{11300}-\x{11301}\x{1133C}\x{11340}\x{11366}-\x{1136C}\x{11370}-\x{11374})"
    R"(\x{114B3}-\x{114B8}\x{114BA}\x{114BF}-\x{114C0}\x{114C2}-\x{114C3}\x{115B2}-\x{115B5}\x{115BC}-\x{115BD})"
    R"(\x{115BF}-\x{115C0}\x{115DC}-\x{115DD}\x{11633}-\x{1163A}\x{1163D}\x{1163F}-\x{11640}\x{116AB}\x{116AD})"
    R"(\x{116B0}-\x{116B5}\x{116B7}\x{1171D}-\x{1171F}\x{11722}-\x{11725}\x{11727}-\x{1172B}\x{16AF0}-\x{16AF4})"
    R"(\x{16B30}-\x{16B36}\x{16F8F}-\x{16F92}\x{1BC9D}-\x{1BC9E}\x{1D167}-\x{1D169}\x{1D17B}-\x{1D182})"
    R"(\x{1D185}-\x{1D18B}\x{1D1AA}-\x{1D1AD}\x{1D242}-\x{1D244}\x{1DA00}-\x{1DA36}\x{1DA3B}-\x{1DA6C}\x{1DA75})"
    R"(\x{1DA84}\x{1DA9B}-\x{1DA9F}\x{1DAA1}-\x{1DAAF}\x{1E8D0}-\x{1E8D6}\x{E0100}-\x{E01EF}])";

/// What StripAccents removes.
inline constexpr std::string_view kCombiningMark =
    R"([\x{300}-\x{36F}\x{483}-\x{489}\x{591}-\x{5BD}\x{5BF}\x{5C1}-\x{5C2}\x{5C4}-\x{5C5}\x{5C7}\x{610}-\x{61A})"
    R"(\x{64B}-\x{65F}\x{670}\x{6D6}-\x{6DC}\x{6DF}-\x{6E4}\x{6E7}-\x{6E8}\x{6EA}-\x{6ED}\x{711}\x{730}-\x{74A})"
    R"(\x{7A6}-\x{7B0}\x{7EB}-\x{7F3}\x{816}-\x{819}\x{81B}-\x{823}\x{825}-\x{827}\x{829}-\x{82D})"
    R"(\x{859}-\x{85B}\x{8D4}-\x{8E1}\x{8E3}-\x{903}\x{93A}-\x{93C}\x{93E}-\x{94F}\x{951}-\x{957})"
    R"(\x{962}-\x{963}\x{981}-\x{983}\x{9BC}\x{9BE}-\x{9C4}\x{9C7}-\x{9C8}\x{9CB}-\x{9CD}\x{9D7}\x{9E2}-\x{9E3})"
    R"(\x{A01}-\x{A03}\x{A3C}\x{A3E}-\x{A42}\x{A47}-\x{A48}\x{A4B}-\x{A4D}\x{A51}\x{A70}-\x{A71}\x{A75})"
    R"(\x{A81}-\x{A83}\x{ABC}\x{ABE}-\x{AC5}\x{AC7}-\x{AC9}\x{ACB}-\x{ACD}\x{AE2}-\x{AE3}\x{B01}-\x{B03}\x{B3C})"
    R"(\x{B3E}-\x{B44}\x{B47}-\x{B48}\x{B4B}-\x{B4D}\x{B56}-\x{B57}\x{B62}-\x{B63}\x{B82}\x{BBE}-\x{BC2})"
    R"(\x{BC6}-\x{BC8}\x{BCA}-\x{BCD}\x{BD7}\x{C00}-\x{C03}\x{C3E}-\x{C44}\x{C46}-\x{C48}\x{C4A}-\x{C4D})"
    R"(\x{C55}-\x{C56}\x{C62}-\x{C63}\x{C81}-\x{C83}\x{CBC}\x{CBE}-\x{CC4}\x{CC6}-\x{CC8}\x{CCA}-\x{CCD})"
    R"(\x{CD5}-\x{CD6}\x{CE2}-\x{CE3}\x{D01}-\x{D03}\x{D3E}-\x{D44}\x{D46}-\x{D48}\x{D4A}-\x{D4D}\x{D57})"
    R"(\x{D62}-\x{D63}\x{D82}-\x{D83}\x{DCA}\x{DCF}-\x{DD4}\x{DD6}\x{DD8}-\x{DDF}\x{DF2}-\x{DF3}\x{E31})"
    R"(\x{E34}-\x{E3A}\x{E47}-\x{E4E}\x{EB1}\x{EB4}-\x{EB9}\x{EBB}-\x{EBC}\x{EC8}-\x{ECD}\x{F18}-\x{F19}\x{F35})"
    R"(\x{F37}\x{F39}\x{F3E}-\x{F3F}\x{F71}-\x{F84}\x{F86}-\x{F87}\x{F8D}-\x{F97}\x{F99}-\x{FBC}\x{FC6})"
    R"(\x{102B}-\x{103E}\x{1056}-\x{1059}\x{105E}-\x{1060}\x{1062}-\x{1064}\x{1067}-\x{106D}\x{1071}-\x{1074})"
    R"(\x{1082}-\x{108D}\x{108F}\x{109A}-\x{109D}\x{135D}-\x{135F}\x{1712}-\x{1714}\x{1732}-\x{1734})"
    R"(\x{1752}-\x{1753}\x{1772}-\x{1773}\x{17B4}-\x{17D3}\x{17DD}\x{180B}-\x{180D}\x{1885}-\x{1886}\x{18A9})"
    R"(\x{1920}-\x{192B}\x{1930}-\x{193B}\x{1A17}-\x{1A1B}\x{1A55}-\x{1A5E}\x{1A60}-\x{1A7C}\x{1A7F})"
    R"(\x{1AB0}-\x{1ABE}\x{1B00}-\x{1B04}\x{1B34}-\x{1B44}\x{1B6B}-\x{1B73}\x{1B80}-\x{1B82}\x{1BA1}-\x{1BAD})"
    R"(\x{1BE6}-\x{1BF3}\x{1C24}-\x{1C37}\x{1CD0}-\x{1CD2}\x{1CD4}-\x{1CE8}\x{1CED}\x{1CF2}-\x{1CF4})"
    R"(\x{1CF8}-\x{1CF9}\x{1DC0}-\x{1DF5}\x{1DFB}-\x{1DFF}\x{20D0}-\x{20F0}\x{2CEF}-\x{2CF1}\x{2D7F})"
    R"(\x{2DE0}-\x{2DFF}\x{302A}-\x{302F}\x{3099}-\x{309A}\x{A66F}-\x{A672}\x{A674}-\x{A67D}\x{A69E}-\x{A69F})"
    R"(\x{A6F0}-\x{A6F1}\x{A802}\x{A806}\x{A80B}\x{A823}-\x{A827}\x{A880}-\x{A881}\x{A8B4}-\x{A8C5})"
    R"(\x{A8E0}-\x{A8F1}\x{A926}-\x{A92D}\x{A947}-\x{A953}\x{A980}-\x{A983}\x{A9B3}-\x{A9C0}\x{A9E5})"
    R"(\x{AA29}-\x{AA36}\x{AA43}\x{AA4C}-\x{AA4D}\x{AA7B}-\x{AA7D}\x{AAB0}\x{AAB2}-\x{AAB4}\x{AAB7}-\x{AAB8})"
    R"(\x{AABE}-\x{AABF}\x{AAC1}\x{AAEB}-\x{AAEF}\x{AAF5}-\x{AAF6}\x{ABE3}-\x{ABEA}\x{ABEC}-\x{ABED}\x{FB1E})"
    R"(\x{FE00}-\x{FE0F}\x{FE20}-\x{FE2F}\x{101FD}\x{102E0}\x{10376}-\x{1037A}\x{10A01}-\x{10A03})"
    R"(\x{10A05}-\x{10A06}\x{10A0C}-\x{10A0F}\x{10A38}-\x{10A3A}\x{10A3F}\x{10AE5}-\x{10AE6}\x{11000}-\x{11002})"
    R"(\x{11038}-\x{11046}\x{1107F}-\x{11082}\x{110B0}-\x{110BA}\x{11100}-\x{11102}\x{11127}-\x{11134}\x{11173})"
    R"(\x{11180}-\x{11182}\x{111B3}-\x{111C0}\x{111CA}-\x{111CC}\x{1122C}-\x{11237}\x{1123E}\x{112DF}-\x{112EA})"
    R"(\x{11300}-\x{11303}\x{1133C}\x{1133E}-\x{11344}\x{11347}-\x{11348}\x{1134B}-\x{1134D}\x{11357})"
    R"(\x{11362}-\x{11363}\x{11366}-\x{1136C}\x{11370}-\x{11374}\x{11435}-\x{11446}\x{114B0}-\x{114C3})"
    R"(\x{115AF}-\x{115B5}\x{115B8}-\x{115C0}\x{115DC}-\x{115DD}\x{11630}-\x{11640}\x{116AB}-\x{116B7})"
    R"(\x{1171D}-\x{1172B}\x{11C2F}-\x{11C36}\x{11C38}-\x{11C3F}\x{11C92}-\x{11CA7}\x{11CA9}-\x{11CB6})"
    R"(\x{16AF0}-\x{16AF4}\x{16B30}-\x{16B36}\x{16F51}-\x{16F7E}\x{16F8F}-\x{16F92}\x{1BC9D}-\x{1BC9E})"
    R"(\x{1D165}-\x{1D169}\x{1D16D}-\x{1D172}\x{1D17B}-\x{1D182}\x{1D185}-\x{1D18B}\x{1D1AA}-\x{1D1AD})"
    R"(\x{1D242}-\x{1D244}\x{1DA00}-\x{1DA36}\x{1DA3B}-\x{1DA6C}\x{1DA75}\x{1DA84}\x{1DA9B}-\x{1DA9F})"
    R"(\x{1DAA1}-\x{1DAAF}\x{1E000}-\x{1E006}\x{1E008}-\x{1E018}\x{1E01B}-\x{1E021}\x{1E023}-\x{1E024})"
    R"(\x{1E026}-\x{1E02A}\x{1E8D0}-\x{1E8D6}\x{1E944}-\x{1E94A}\x{E0100}-\x{E01EF}])";

/// What Digits takes for a digit.
inline constexpr std::string_view kNumeric =
    R"([\x{30}-\x{39}\x{B2}-\x{B3}\x{B9}\x{BC}-\x{BE}\x{660}-\x{669}\x{6F0}-\x{6F9}\x{7C0}-\x{7C9})"
    R"(\x{966}-\x{96F}\x{9E6}-\x{9EF}\x{9F4}-\x{9F9}\x{A66}-\x{A6F}\x{AE6}-\x{AEF}\x{B66}-\x{B6F})"
    R"(\x{B72}-\x{B77}\x{BE6}-\x{BF2}\x{C66}-\x{C6F}\x{C78}-\x{C7E}\x{CE6}-\x{CEF}\x{D58}-\x{D5E})"
    R"(\x{D66}-\x{D78}\x{DE6}-\x{DEF}\x{E50}-\x{E59}\x{ED0}-\x{ED9}\x{F20}-\x{F33}\x{1040}-\x{1049})"
    R"(\x{1090}-\x{1099}\x{1369}-\x{137C}\x{16EE}-\x{16F0}\x{17E0}-\x{17E9}\x{17F0}-\x{17F9}\x{1810}-\x{1819})"
    R"(\x{1946}-\x{194F}\x{19D0}-\x{19DA}\x{1A80}-\x{1A89}\x{1A90}-\x{1A99}\x{1B50}-\x{1B59}\x{1BB0}-\x{1BB9})"
    R"(\x{1C40}-\x{1C49}\x{1C50}-\x{1C59}\x{2070}\x{2074}-\x{2079}\x{2080}-\x{2089}\x{2150}-\x{2182})"
    R"(\x{2185}-\x{2189}\x{2460}-\x{249B}\x{24EA}-\x{24FF}\x{2776}-\x{2793}\x{2CFD}\x{3007}\x{3021}-\x{3029})"
    R"(\x{3038}-\x{303A}\x{3192}-\x{3195}\x{3220}-\x{3229}\x{3248}-\x{324F}\x{3251}-\x{325F}\x{3280}-\x{3289})"
    R"(\x{32B1}-\x{32BF}\x{A620}-\x{A629}\x{A6E6}-\x{A6EF}\x{A830}-\x{A835}\x{A8D0}-\x{A8D9}\x{A900}-\x{A909})"
    R"(\x{A9D0}-\x{A9D9}\x{A9F0}-\x{A9F9}\x{AA50}-\x{AA59}\x{ABF0}-\x{ABF9}\x{FF10}-\x{FF19}\x{10107}-\x{10133})"
    R"(\x{10140}-\x{10178}\x{1018A}-\x{1018B}\x{102E1}-\x{102FB}\x{10320}-\x{10323}\x{10341}\x{1034A})"
    R"(\x{103D1}-\x{103D5}\x{104A0}-\x{104A9}\x{10858}-\x{1085F}\x{10879}-\x{1087F}\x{108A7}-\x{108AF})"
    R"(\x{108FB}-\x{108FF}\x{10916}-\x{1091B}\x{109BC}-\x{109BD}\x{109C0}-\x{109CF}\x{109D2}-\x{109FF})"
    R"(\x{10A40}-\x{10A48}\x{10A7D}-\x{10A7E}\x{10A9D}-\x{10A9F}\x{10AEB}-\x{10AEF}\x{10B58}-\x{10B5F})"
    R"(\x{10B78}-\x{10B7F}\x{10BA9}-\x{10BAF}\x{10CFA}-\x{10CFF}\x{10D30}-\x{10D39}\x{10D40}-\x{10D49})"
    R"(\x{10E60}-\x{10E7E}\x{10F1D}-\x{10F26}\x{10F51}-\x{10F54}\x{10FC5}-\x{10FCB}\x{11052}-\x{1106F})"
    R"(\x{110F0}-\x{110F9}\x{11136}-\x{1113F}\x{111D0}-\x{111D9}\x{111E1}-\x{111F4}\x{112F0}-\x{112F9})"
    R"(\x{11450}-\x{11459}\x{114D0}-\x{114D9}\x{11650}-\x{11659}\x{116C0}-\x{116C9}\x{116D0}-\x{116E3})"
    R"(\x{11730}-\x{1173B}\x{118E0}-\x{118F2}\x{11950}-\x{11959}\x{11BF0}-\x{11BF9}\x{11C50}-\x{11C6C})"
    R"(\x{11D50}-\x{11D59}\x{11DA0}-\x{11DA9}\x{11DE0}-\x{11DE9}\x{11F50}-\x{11F59}\x{11FC0}-\x{11FD4})"
    R"(\x{12400}-\x{1246E}\x{16130}-\x{16139}\x{16A60}-\x{16A69}\x{16AC0}-\x{16AC9}\x{16B50}-\x{16B59})"
    R"(\x{16B5B}-\x{16B61}\x{16D70}-\x{16D79}\x{16E80}-\x{16E96}\x{16FF4}-\x{16FF6}\x{1CCF0}-\x{1CCF9})"
    R"(\x{1D2C0}-\x{1D2D3}\x{1D2E0}-\x{1D2F3}\x{1D360}-\x{1D378}\x{1D7CE}-\x{1D7FF}\x{1E140}-\x{1E149})"
    R"(\x{1E2F0}-\x{1E2F9}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA}\x{1E8C7}-\x{1E8CF}\x{1E950}-\x{1E959})"
    R"(\x{1EC71}-\x{1ECAB}\x{1ECAD}-\x{1ECAF}\x{1ECB1}-\x{1ECB4}\x{1ED01}-\x{1ED2D}\x{1ED2F}-\x{1ED3D})"
    R"(\x{1F100}-\x{1F10C}\x{1FBF0}-\x{1FBF9}])";

/// Characters that were assigned after Unicode 14, by general category and by script, as parts of a class.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 24> kNewerProperties{{
    {"Lu",
     R"(\x{1C89}\x{A7CB}-\x{A7CC}\x{A7DA}\x{A7DC}\x{10D50}-\x{10D65})"},
    {"Ll",
     R"(\x{1C8A}\x{A7CD}\x{A7DB}\x{10D70}-\x{10D85}\x{1DF25}-\x{1DF2A})"},
    {"Lm",
     R"(\x{10D4E}\x{10D6F}\x{16D40}-\x{16D42}\x{16D6B}-\x{16D6C}\x{1E030}-\x{1E06D}\x{1E4EB})"},
    {"Lo",
     R"(\x{105C0}-\x{105F3}\x{10D4A}-\x{10D4D}\x{10D4F}\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240})"
     R"(\x{11380}-\x{11389}\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3})"
     R"(\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446})"
     R"(\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D43}-\x{16D6A}\x{18CFF}\x{1B132}\x{1B155})"
     R"(\x{1E4D0}-\x{1E4EA}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})"},
    {"Mn",
     R"(\x{897}\x{ECE}\x{10D69}-\x{10D6D}\x{10EFC}-\x{10EFF}\x{11241}\x{113BB}-\x{113C0}\x{113CE}\x{113D0})"
     R"(\x{113D2}\x{113E1}-\x{113E2}\x{11F00}-\x{11F01}\x{11F36}-\x{11F3A}\x{11F40}\x{11F42}\x{11F5A})"
     R"(\x{13440}\x{13447}-\x{13455}\x{1611E}-\x{16129}\x{1612D}-\x{1612F}\x{1E08F}\x{1E4EC}-\x{1E4EF})"
     R"(\x{1E5EE}-\x{1E5EF})"},
    {"Mc",
     R"(\x{CF3}\x{113B8}-\x{113BA}\x{113C2}\x{113C5}\x{113C7}-\x{113CA}\x{113CC}-\x{113CD}\x{113CF}\x{11F03})"
     R"(\x{11F34}-\x{11F35}\x{11F3E}-\x{11F3F}\x{11F41}\x{1612A}-\x{1612C})"},
    {"Nd",
     R"(\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
     R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})"},
    {"No",
     R"(\x{1D2C0}-\x{1D2D3})"},
    {"Pd",
     R"(\x{10D6E})"},
    {"Po",
     R"(\x{1B4E}-\x{1B4F}\x{1B7F}\x{113D4}-\x{113D5}\x{113D7}-\x{113D8}\x{11B00}-\x{11B09}\x{11BE1})"
     R"(\x{11F43}-\x{11F4F}\x{16D6D}-\x{16D6F}\x{1E5FF})"},
    {"Sm",
     R"(\x{10D8E}-\x{10D8F})"},
    {"So",
     R"(\x{2427}-\x{2429}\x{2FFC}-\x{2FFF}\x{31E4}-\x{31E5}\x{31EF}\x{1CC00}-\x{1CCEF}\x{1CD00}-\x{1CEB3})"
     R"(\x{1F6DC}\x{1F774}-\x{1F776}\x{1F77B}-\x{1F77F}\x{1F7D9}\x{1F8B2}-\x{1F8BB}\x{1F8C0}-\x{1F8C1})"
     R"(\x{1FA75}-\x{1FA77}\x{1FA87}-\x{1FA89}\x{1FA8F}\x{1FAAD}-\x{1FAAF}\x{1FABB}-\x{1FABF}\x{1FAC6})"
     R"(\x{1FACE}-\x{1FACF}\x{1FADA}-\x{1FADC}\x{1FADF}\x{1FAE8}-\x{1FAE9}\x{1FAF7}-\x{1FAF8})"
     R"(\x{1FBCB}-\x{1FBEF})"},
    {"Cf",
     R"(\x{13439}-\x{1343F})"},
    {"Arabic",
     R"(\x{897}\x{10EC2}-\x{10EC4}\x{10EFC}-\x{10EFF})"},
    {"Cyrillic",
     R"(\x{1C89}-\x{1C8A}\x{1E030}-\x{1E06D}\x{1E08F})"},
    {"Devanagari",
     R"(\x{11B00}-\x{11B09})"},
    {"Han",
     R"(\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})"},
    {"Hiragana",
     R"(\x{1B132})"},
    {"Kannada",
     R"(\x{CF3})"},
    {"Katakana",
     R"(\x{1B155})"},
    {"Lao",
     R"(\x{ECE})"},
    {"Latin",
     R"(\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{1DF25}-\x{1DF2A})"},
    {"Myanmar",
     R"(\x{116D0}-\x{116E3})"},
    {"Common",
     R"(\x{2427}-\x{2429}\x{2FFC}-\x{2FFF}\x{31E4}-\x{31E5}\x{31EF}\x{1CC00}-\x{1CCF9}\x{1CD00}-\x{1CEB3})"
     R"(\x{1D2C0}-\x{1D2D3}\x{1F6DC}\x{1F774}-\x{1F776}\x{1F77B}-\x{1F77F}\x{1F7D9}\x{1F8B2}-\x{1F8BB})"
     R"(\x{1F8C0}-\x{1F8C1}\x{1FA75}-\x{1FA77}\x{1FA87}-\x{1FA89}\x{1FA8F}\x{1FAAD}-\x{1FAAF})"
     R"(\x{1FABB}-\x{1FABF}\x{1FAC6}\x{1FACE}-\x{1FACF}\x{1FADA}-\x{1FADC}\x{1FADF}\x{1FAE8}-\x{1FAE9})"
     R"(\x{1FAF7}-\x{1FAF8}\x{1FBCB}-\x{1FBEF})"},
}};

/// Characters that were assigned after Unicode 14, or that no normal form of tokenizers changes: first and last of a range.
inline constexpr std::array<std::pair<char32_t, char32_t>, 115> kNewerCharacters{{
    {0x7FD, 0x7FD}, {0x897, 0x89F}, {0x8CA, 0x8D3}, {0x9FE, 0x9FE}, {0xC3C, 0xC3C}, {0xCF3, 0xCF3},
    {0xD3B, 0xD3C}, {0xEBA, 0xEBA}, {0xECE, 0xECE}, {0x1715, 0x1715}, {0x1ABF, 0x1ACE}, {0x1B4E, 0x1B4F},
    {0x1B7F, 0x1B7F}, {0x1C89, 0x1C8A}, {0x1DF6, 0x1DFA}, {0x2427, 0x2429}, {0x2FFC, 0x2FFF}, {0x31E4, 0x31E5},
    {0x31EF, 0x31EF}, {0x32FF, 0x32FF}, {0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}, {0xA7F2, 0xA7F4}, {0xA82C, 0xA82C},
    {0xAB69, 0xAB69}, {0x105C0, 0x105F3}, {0x10781, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA},
    {0x10D24, 0x10D27}, {0x10D40, 0x10D65}, {0x10D69, 0x10D85}, {0x10D8E, 0x10D8F}, {0x10EAB, 0x10EAC},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
    {0x1123F, 0x11241}, {0x1133B, 0x1133B}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA},
    {0x113CC, 0x113D5}, {0x113D7, 0x113D8}, {0x113E1, 0x113E2}, {0x1145E, 0x1145E}, {0x116D0, 0x116E3},
    {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
    {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11B00, 0x11B09},
    {0x11BC0, 0x11BE1}, {0x11BF0, 0x11BF9}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
    {0x11F00, 0x11F10}, {0x11F12, 0x11F3A}, {0x11F3E, 0x11F5A}, {0x1342F, 0x1342F}, {0x13439, 0x13455},
    {0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D79}, {0x16FF0, 0x16FF1}, {0x18CFF, 0x18CFF},
    {0x1B132, 0x1B132}, {0x1B155, 0x1B155}, {0x1CC00, 0x1CCF9}, {0x1CD00, 0x1CEB3}, {0x1D2C0, 0x1D2D3},
    {0x1DF25, 0x1DF2A}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4D0, 0x1E4F9}, {0x1E5D0, 0x1E5FA}, {0x1E5FF, 0x1E5FF}, {0x1F16C, 0x1F16C},
    {0x1F6DC, 0x1F6DC}, {0x1F774, 0x1F776}, {0x1F77B, 0x1F77F}, {0x1F7D9, 0x1F7D9}, {0x1F8B2, 0x1F8BB},
    {0x1F8C0, 0x1F8C1}, {0x1FA75, 0x1FA77}, {0x1FA87, 0x1FA89}, {0x1FA8F, 0x1FA8F}, {0x1FAAD, 0x1FAAF},
    {0x1FABB, 0x1FABF}, {0x1FAC6, 0x1FAC6}, {0x1FACE, 0x1FACF}, {0x1FADA, 0x1FADC}, {0x1FADF, 0x1FADF},
    {0x1FAE8, 0x1FAE9}, {0x1FAF7, 0x1FAF8}, {0x1FBCB, 0x1FBF9}, {0x2B739, 0x2B739}, {0x2EBF0, 0x2EE5D},
    {0x31350, 0x323AF},
}};

/// Characters newer than Unicode 14, and their lower case.
inline constexpr std::array<std::pair<char32_t, char32_t>, 55> kNewerLowercase{{
    {0x1C89, 0x1C8A}, {0xA7CB, 0x264}, {0xA7CC, 0xA7CD}, {0xA7CE, 0xA7CF}, {0xA7D2, 0xA7D3}, {0xA7D4, 0xA7D5},
    {0xA7DA, 0xA7DB}, {0xA7DC, 0x19B}, {0x10D50, 0x10D70}, {0x10D51, 0x10D71}, {0x10D52, 0x10D72},
    {0x10D53, 0x10D73}, {0x10D54, 0x10D74}, {0x10D55, 0x10D75}, {0x10D56, 0x10D76}, {0x10D57, 0x10D77},
    {0x10D58, 0x10D78}, {0x10D59, 0x10D79}, {0x10D5A, 0x10D7A}, {0x10D5B, 0x10D7B}, {0x10D5C, 0x10D7C},
    {0x10D5D, 0x10D7D}, {0x10D5E, 0x10D7E}, {0x10D5F, 0x10D7F}, {0x10D60, 0x10D80}, {0x10D61, 0x10D81},
    {0x10D62, 0x10D82}, {0x10D63, 0x10D83}, {0x10D64, 0x10D84}, {0x10D65, 0x10D85}, {0x16EA0, 0x16EBB},
    {0x16EA1, 0x16EBC}, {0x16EA2, 0x16EBD}, {0x16EA3, 0x16EBE}, {0x16EA4, 0x16EBF}, {0x16EA5, 0x16EC0},
    {0x16EA6, 0x16EC1}, {0x16EA7, 0x16EC2}, {0x16EA8, 0x16EC3}, {0x16EA9, 0x16EC4}, {0x16EAA, 0x16EC5},
    {0x16EAB, 0x16EC6}, {0x16EAC, 0x16EC7}, {0x16EAD, 0x16EC8}, {0x16EAE, 0x16EC9}, {0x16EAF, 0x16ECA},
    {0x16EB0, 0x16ECB}, {0x16EB1, 0x16ECC}, {0x16EB2, 0x16ECD}, {0x16EB3, 0x16ECE}, {0x16EB4, 0x16ECF},
    {0x16EB5, 0x16ED0}, {0x16EB6, 0x16ED1}, {0x16EB7, 0x16ED2}, {0x16EB8, 0x16ED3},
}};

// clang-format on

}  // namespace catenary::tokenizer
