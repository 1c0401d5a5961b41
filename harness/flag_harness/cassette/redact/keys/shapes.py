"""The forms of API keys that their providers document, as regular expressions."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from flag_harness.cassette.redact.keys.named_values import ASSIGNMENT_PATTERN, NAMED_KEY_SHAPES, PPRINT_BREAK_PATTERN
from flag_harness.cassette.redact.keys.rarer_keys import RARER_KEY_SHAPES

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_TWO_DIGITS_LOOKAHEAD = r"(?=(?:[A-Za-z_-]*[0-9]){2})(?=[0-9_-]*[A-Za-z])"

_SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "a private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----"
        r"(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|[\s\S]*)",
        "a bearer token": r"(?i:bearer)\s+(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*",
        "a basic authorization": r"(?i:authorization|proxy-authorization)\W{1,6}(?i:basic)\s+[A-Za-z0-9+/_-]{10,}={0,2}"
        r"|(?i:basic)\s+(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{14,}={1,2}",
        "a token in a wrapped string": f"(?i:bearer|basic){PPRINT_BREAK_PATTERN}"
        + r"(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{14,}=*",
        "a password in a URL": r"(?i:[a-z][a-z0-9+.-]{1,20})://[^\s/:@\x22\x27\\<>{}$*]*:(?!(?i:pass(?:word)?|pwd|\.+)@)"
        r"[^\s/:@\x22\x27\\<>{}$*]{3,}@[A-Za-z0-9\[]"
        r"|https?://(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}@[A-Za-z0-9]",
        "an authorization": r"(?i:authorization)\W{1,6}(?!(?i:bearer|basic)\s)[A-Za-z][A-Za-z0-9-]{1,24}\s+"
        r"(?:(?i:username=)[^\r\n]{16,}|(?=[^\s\x22\x27\\]*[0-9])[^\s\x22\x27\\]{16,})",
        "a cookie": rf"(?i:cookie){ASSIGNMENT_PATTERN}(?=[^\r\n\x22\x27\\]{{0,300}}=(?=[A-Za-z%._~+/-]*[0-9])"
        r"[A-Za-z0-9%._~+/-]{20})[^\r\n\x22\x27\\]{20,4000}",
        "a password of curl": r"curl\s(?:[^\n]{0,100}\s)?(?:-u|--user)[ =]?[\x22\x27]?[^\s:\x22\x27$]{1,200}:"
        r"(?=[^\s\x22\x27]*[0-9])[^\s\x22\x27$\\]{6,}",
        "an Anthropic key": r"sk-ant-[A-Za-z0-9_-]{12,}",
        "a Langfuse key": rf"[sp]k-lf-{_UUID}",
        "a Helicone key": r"sk-helicone-[A-Za-z0-9-]{16,}",
        "an OpenAI key": r"sk-(?:(?:proj|svcacct|admin|None|or-v1|or)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,})"
        r"|sess-[A-Za-z0-9]{40}",
        "an AWS access key id": r"A(?:[KS]I|BI|CC)A[A-Z0-9]{16}(?![A-Za-z0-9_-])",
        "an AWS marketplace token": rf"amzn\.mws\.{_UUID}",
        "an AWS secret key": r'(?i:(?:aws_?)?secret_?access_?key|aws_?secret(?:_?key)?)[\s"=:\\]{1,8}'
        r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
        "an AWS session token": r"(?i:x-amz-security-token|(?:aws_?)?session_?token|<sessiontoken>)"
        r"[\s\x22\x27=:\\]{0,8}[A-Za-z0-9/+=%]{60,}",
        "an AWS signature": r"(?i:(?:x-(?:amz|goog)-)?signature)=(?:[0-9a-f]{64,}|[A-Za-z0-9~_-]{150,})",
        "a Bedrock key": r"ABSK[A-Za-z0-9+/]{60,}=*|bedrock-api-key-[A-Za-z0-9+/=]{40,}",
        "a Google API key": r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9])|AQ\.Ab[A-Za-z0-9_-]{40,}"
        r"|AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{100,}",
        "a Google access token": r"ya29\.[A-Za-z0-9_-]{20,}",
        "a Google OAuth secret": r"GOCSPX-[A-Za-z0-9_-]{20,}",
        "a Google refresh token": r"1//0[A-Za-z0-9_-]{30,}",
        "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}",
        "a GitLab token": r"gl(?:pat|ptt|dt|rt|cbt|oas|soat|ft|imt|agent|ffct|rtr|wt)-[A-Za-z0-9_.-]{20,}"
        r"|GR1348941[A-Za-z0-9_-]{20}|_gitlab_session=[0-9a-f]{32}",
        "a Bitbucket token": r"ATBB[A-Za-z0-9_=-]{20,}",
        "an Atlassian token": r"AT(?:ATT|CTT)3[A-Za-z0-9_=-]{20,}",
        "a Slack token": r"xox[abceoprs]-[A-Za-z0-9-]{10,}|xoxd-[A-Za-z0-9%/+=_-]{20,}"
        r"|xox[ep]\.xox[bp]-[A-Za-z0-9-]{20,}|xapp-[A-Za-z0-9-]{20,}",
        "a Slack webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/]{18,}",
        "a Discord webhook": r"discord(?:app)?\.com/api/webhooks/[0-9]{15,}/[A-Za-z0-9_-]{40,}",
        "a Teams webhook": rf"webhook\.office\.com/webhookb2/{_UUID}@{_UUID}/IncomingWebhook/[A-Za-z0-9]{{20,}}",
        "a Discord bot token": r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
        "a Telegram bot token": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,}",
        "a Stripe key": r"[rs]k_(?:org_)?(?:live|test|prod)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}=*",
        "a Clerk or ElevenLabs key": r"sk_[0-9a-f]{48}",
        "a Square token": r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}",
        "a Shopify token": r"shp(?:at|ca|pa|ss|tka|ua)_[0-9a-fA-F]{32}",
        "a Plaid token": rf"access-(?:sandbox|development|production)-{_UUID}",
        "a Razorpay key": r"rzp_(?:live|test)_[A-Za-z0-9]{14,}",
        "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}",
        "a Groq key": r"gsk_[A-Za-z0-9]{40,}",
        "an xAI key": r"xai-[A-Za-z0-9]{40,}",
        "a Perplexity key": r"pplx-[A-Za-z0-9]{32,}",
        "a Tavily key": r"tvly-[A-Za-z0-9-]{20,}",
        "a Replicate token": r"r8_[A-Za-z0-9]{30,}",
        "a Fireworks key": r"fw_[A-Za-z0-9]{20,}",
        "a Cerebras key": r"csk-[A-Za-z0-9]{30,}",
        "an NVIDIA key": r"nvapi-[A-Za-z0-9_-]{30,}",
        "a Voyage key": r"(?:pa|al)-[A-Za-z0-9_-]{40,46}(?![A-Za-z0-9_-])",
        "a Jina key": r"jina_[A-Za-z0-9_-]{32,}",
        "a Pinecone key": r"pcsk_[A-Za-z0-9_]{30,}",
        "a LangSmith key": r"ls(?:v2)?_(?:pt|sk|_)_?[A-Za-z0-9]{20,}(?:_[A-Za-z0-9]+)?",
        "a Llama Cloud key": r"llx-[A-Za-z0-9]{20,}",
        "a Weights & Biases key": r"wandb_v[0-9]_[A-Za-z0-9_]{20,}|(?i:wandb[_-]api[_-]key)\W{1,6}[0-9a-f]{40}",
        "a Firecrawl key": r"fc-[0-9a-f]{32}",
        "an E2B key": r"e2b_[0-9a-f]{32,}",
        "a Modal token": r"a[ks]-[A-Za-z0-9]{22}(?![A-Za-z0-9_-])",
        "a Databricks token": r"dapi[0-9a-f]{32}(?:-[0-9])?",
        "a Snowflake or Grafana token": r"gl(?:c|sa)_[A-Za-z0-9+/_]{30,}={0,2}|eyJrIjoi[A-Za-z0-9]{60,}={0,2}",
        "a Vault token": r"hv[sbr]\.[A-Za-z0-9_-]{20,}|(?i:vault[_-]token)\W{1,6}s\.[A-Za-z0-9]{24}",
        "a Terraform token": r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}",
        "a Notion token": r"ntn_[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{43}",
        "a Linear key": r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}",
        "an Airtable token": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
        "a Figma token": r"fig[dou]r?_[A-Za-z0-9_-]{30,}",
        "a HubSpot token": rf"pat-(?:na|eu|ap)[0-9]-{_UUID}",
        "a Typeform token": r"tfp_[A-Za-z0-9_.-]{40,}",
        "a Contentful token": r"CFPAT-[A-Za-z0-9_-]{40,}",
        "an npm token": r"npm_[A-Za-z0-9]{36}",
        "a PyPI token": r"pypi-[A-Za-z0-9_-]{50,}",
        "a RubyGems key": r"rubygems_[0-9a-f]{40,}",
        "a crates.io token": r"(?<!\+)cio[A-Za-z0-9]{32}(?![A-Za-z0-9+/])",
        "a Docker token": r"dckr_[op]at_[A-Za-z0-9_-]{20,}",
        "an Artifactory key": r"AKCp[A-Za-z0-9]{60,}",
        "a SendGrid key": r"SG\.[A-Za-z0-9_-]{16,100}\.[A-Za-z0-9_-]{16,}",
        "a Twilio key": r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])",
        "a Mailgun key": r"key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![0-9A-Za-z-])",
        "a Mailchimp key": r"[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9])",
        "a Resend key": r"re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{20,}",
        "a Brevo key": r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
        "a Postmark, Postman or New Relic key": r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}|NR(?:AK|JS|II|RA)-[A-Za-z0-9_-]{19,}"
        r"|[0-9a-fA-F]{36}NRAL",
        "a Datadog key": r"(?i:(?:dd|datadog)[_-](?:api|app|application)[_-]key)\W{1,6}[0-9a-f]{32,40}",
        "a Sentry token": r"sntry[su]_[A-Za-z0-9+/_=-]{30,}",
        "a PostHog key": r"phx_[A-Za-z0-9]{30,}",
        "a LaunchDarkly key": rf"(?:sdk|api|mob)-{_UUID}",
        "a Honeycomb key": r"hca?(?:ik|mk|lk)_[A-Za-z0-9]{26,}",
        "a Sonar token": r"sq[pua]_[0-9a-f]{40}",
        "a CircleCI token": r"CCIP(?:AT|RJ)_[A-Za-z0-9]{16,}_[0-9a-f]{40}",
        "a Buildkite token": r"bk(?:ua|at|ct)_[A-Za-z0-9]{30,}",
        "a Doppler token": r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{30,}",
        "a DigitalOcean token": r"do[opr]_v1_[0-9a-f]{64}",
        "a Fly token": r"fo1_[A-Za-z0-9_-]{30,}|fm[12][a-z]?_[A-Za-z0-9+/=_-]{40,}",
        "a Heroku key": r"HRKU-[A-Za-z0-9_-]{30,}",
        "a Netlify token": r"nfp_[A-Za-z0-9]{30,}",
        "a Vercel token": r"vc[pkair]_[A-Za-z0-9]{20,}|(?i:vercel_(?:api_)?token)\W{1,6}[A-Za-z0-9]{24}",
        "a Supabase key": r"sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{20,}",
        "a PlanetScale secret": r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{30,}",
        "a Prefect, Pulumi or Infracost key": r"pn[ub]_[A-Za-z0-9]{30,}|pul-[0-9a-f]{40}|ico-[A-Za-z0-9]{32}",
        "a Dropbox token": r"sl\.(?:u\.)?[A-Za-z0-9_-]{60,}",
        "a Facebook token": r"(?<![+/])EAA[CGBJM][A-Za-z0-9]{40,}(?![A-Za-z0-9+/=])",
        "an Okta token": r"(?i:ssws)\s+00[A-Za-z0-9_-]{40}",
        "a 1Password key": r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}"
        r"|ops_eyJ[A-Za-z0-9+/_-]{100,}",
        "an Adobe or Adafruit key": r"p8e-[A-Za-z0-9]{32}|aio_[A-Za-z0-9]{28}",
        "an Alibaba key id": r"LTAI[A-Za-z0-9]{20}(?![A-Za-z0-9])",
        "an Artifactory reference token": r"cmVmd[A-Za-z0-9]{59}(?![A-Za-z0-9+/])",
        "an Asana token": r"[0-2]/(?:[0-9]{15,16}/)?[0-9]{15,17}:[0-9a-f]{32}",
        "an Authress key": r"(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\."
        r"[A-Za-z0-9+/_=-]{30,}",
        "an Axiom token": rf"xa(?:at|pt)-{_UUID}",
        "a Brave key": r"BSA(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])",
        "a ClickHouse or Clojars key": r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])|CLOJARS_[A-Za-z0-9]{60}",
        "a Cloudflare key": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",
        "a ConfigCat or Unleash key": r"configcat-sdk-1/[A-Za-z0-9_-]{22}/[A-Za-z0-9_-]{22}"
        r"|(?:\*|[a-z0-9_-]{1,40}):[a-z]{3,20}\.[0-9a-f]{56}",
        "a Defined Networking key": r"dnkey-[a-z0-9=_-]{26}-[a-z0-9=_-]{52}",
        "a Duffel token": r"duffel_(?:test|live)_[A-Za-z0-9_=-]{43}",
        "a Dynatrace token": r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
        "an EasyPost or Endor Labs key": r"EZ[AT]K[A-Za-z0-9]{54}|endr\+[A-Za-z0-9-]{16}",
        "a Flagsmith or GrowthBook key": r"ser\.(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,24}(?![A-Za-z0-9])"
        r"|secret_(?:admin|readonly|user)_[A-Za-z0-9]{30,}",
        "a Flutterwave key": r"FLWSECK(?:_TEST)?-[0-9a-z]{32}-X",
        "a Frame.io token": r"fio-u-[A-Za-z0-9_=-]{64}",
        "a GoCardless token": r"live_(?=[A-Za-z_=-]*[0-9])(?=[a-z0-9_=-]*[A-Z])[A-Za-z0-9_=-]{40}(?![A-Za-z0-9_=-])",
        "a Harness token": r"[ps]at\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}",
        "an Inngest or Trigger.dev key": r"signkey-(?:prod|test|branch)-[0-9a-f]{32,}"
        r"|tr_(?:dev|prod|stg|preview)_[A-Za-z0-9]{20,}",
        "an Intra42 secret": r"s-s4t2(?:ud|af)-[0-9a-f]{64}",
        "a key of a model host": r"sk-litellm-[A-Za-z0-9_-]{16,}|sk_car_[A-Za-z0-9_-]{20,}|opk_[A-Za-z0-9]{40,}"
        r"|rpa_[A-Z0-9]{40,}|tgp_v1_[A-Za-z0-9_-]{40,}|esecret_[a-z0-9]{20,}|secret_[a-z0-9_]{20,200}\.[A-Za-z0-9]{32}",
        "a Lob key": r"(?:live|test)_[0-9a-f]{35}(?![0-9A-Za-z])",
        "a Logfire token": r"pylf_v[0-9]_[a-z]{2,10}_[A-Za-z0-9]{40,}",
        "a Mapbox token": r"[sp]k\.eyJ[A-Za-z0-9_-]{40,1000}\.[A-Za-z0-9_-]{20,}",
        "a MaxMind key": r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk",
        "a Neon key": r"napi_[a-z0-9]{60,}",
        "a NuGet or Octopus key": r"oy2[a-z0-9]{43}(?![a-z0-9])|API-[A-Z0-9]{26}(?![A-Z0-9])",
        "an OpenShift token": r"sha256~[A-Za-z0-9_-]{43}",
        "a Paddle key": r"pdl_(?:live|sdbx)_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}",
        "a PayPal token": r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
        "a Polar token": r"polar_[a-z]{2,4}_[A-Za-z0-9]{40,}",
        "a RapidAPI key": r"[a-z0-9]{10}msh[a-z0-9]{15}p1[a-z0-9]{5}jsn[a-z0-9]{12}",
        "a ReadMe key": r"rdme_[a-z0-9]{70}",
        "a Salesforce token": r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9_.]{80,}",
        "a Scaleway or Scalingo key": r"SCW[A-Z0-9]{17}(?![A-Z0-9])|tk-us-[A-Za-z0-9_-]{48}",
        "a SettleMint token": r"sm_[aps]at_[A-Za-z0-9]{16}",
        "a Shippo token": r"shippo_(?:live|test)_[0-9a-f]{40}",
        "a Sourcegraph token": r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}|slk_[0-9a-f]{64}",
        "a Statsig key": r"secret-(?=[A-Za-z]*[0-9])[A-Za-z0-9]{43}(?![A-Za-z0-9])",
        "a Tailscale key": r"tskey-(?:[a-z]+-)?[A-Za-z0-9]{8,}-[A-Za-z0-9]{16,}",
        "a Twitter token": r"A{20,26}(?!A)[A-Za-z0-9%]{60,100}(?![A-Za-z0-9+/=_-])",
        "a Ubidots token": r"BBFF-[A-Za-z0-9]{30}",
        "a Yandex key": r"t1\.[A-Za-z0-9_-]{1,1000}={0,2}\.[A-Za-z0-9_-]{86}={0,2}"
        r"|AQVN[A-Za-z0-9_-]{35,38}(?![A-Za-z0-9_-])",
        "a Zapier hook": r"hooks\.zapier\.com/hooks/catch/[0-9]{5,}/[a-z0-9]{5,}",
        "an age key": r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        "an Azure key": r"(?i:accountkey|sharedaccesskey)=[A-Za-z0-9+/%]{40,}={0,2}"
        r"|[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"
        r"|[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{14,26}"
        r"|[A-Za-z0-9]{42}(?:Az(?:Se|Fu|Ca)|[+]ACR)[A-Za-z0-9]{6}(?![A-Za-z0-9+/=])"
        r"|[A-Za-z0-9+/]{33,76}(?:ACDb|APIM|AIoT|Az(?:Fu|Ca)|[+]A(?:St|Eh|Sb|Rm|Ba|MC))[A-Za-z0-9+/]{6}={1,2}"
        r"|[A-Za-z0-9]{40,52}AZEG[A-Za-z0-9]{6,40}(?![A-Za-z0-9+/=])"
        r"|(?i:ocp-apim-subscription-key|azure[a-z_]*key)\W{1,6}[0-9a-f]{32}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"
        r"|azurewebsites\.net/[^\s\x22\x27]{0,200}[?&]code=[A-Za-z0-9%/+_-]{30,}={0,2}",
        "an Azure signature": r"(?i:sig)=[A-Za-z0-9%+/]{40,}=*",
        "a JSON web token": r"eyJ[A-Za-z0-9_-]{8,3000}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
        r"|eyJ[A-Za-z0-9_-]{16,3000}\.[A-Za-z0-9_-]{0,3000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        "a key of a tool": r"(?<![_-])(?:dbt[cu]_|os_v2_app_|rnd_|dd[op]_|nyk_v0_|tpuf_|mxb_|ydc-sk-|hb_|dtn_|pl_|lsk_"
        r"|KGAT_|cu_|nsct_|xau_|CCDB1_|mzp_|essu_|kit_|vtwn_|unkey_|depot_(?:org|project)_|m0-|nk-|ck-|mlsn\.|apify_api_)"
        r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{28,120}(?![A-Za-z0-9_-])|(?<![_-])AVNS_[A-Za-z0-9_-]{16,}|chpt_[0-9a-f]{12,}"
        r"|essu_[A-Za-z0-9+/]{40,}|unkey_[A-Za-z0-9]{20,}|(?<![+/])fnA[A-Za-z0-9_-]{37}(?![A-Za-z0-9+/=_-])"
        rf"|dub_{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9]{{24}}|luma-{_UUID}(?:-{_UUID})?",
        "a key of a service": rf"KEY0[0-9A-Z]{{31}}_[A-Za-z0-9]{{22}}|1000\.[0-9a-f]{{32}}\.[0-9a-f]{{32}}"
        rf"|ATTA[0-9a-fA-F]{{60,}}|[0-9a-f]{{24}}:[0-9a-f]{{64}}|{_UUID}:[0-9a-f]{{32}}(?![0-9a-f])"
        rf"|0\.{_UUID}\.[A-Za-z0-9]{{30}}:[A-Za-z0-9+/]{{22}}==|st\.[0-9a-f-]{{24,36}}\.[0-9a-f]{{32}}\.[0-9a-f]{{32}}"
        r"|eyJ2MiI6[A-Za-z0-9+/=]{16,}|(?:user|agent):[0-9a-f]{32}(?![0-9a-f])"
        r"|pk_[0-9]{5,}_[A-Z0-9]{32}|pk_[0-9a-f]{34}|AQE[A-Za-z0-9]{40,}-[A-Za-z0-9+/=]{20,}-|dG9rO[A-Za-z0-9+/]{20,}={0,2}"
        r"|[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{6}:[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
        r"|(?<![+/_-])sk[A-Za-z0-9]{150,}(?![A-Za-z0-9+/=_-])"
        r"|secret-(?:live|test)-[A-Za-z0-9_-]{30,}=?|b_[a-z0-9=_-]{44}(?![a-z0-9=_-])|bb_(?:live|test)_[A-Za-z0-9_-]{20,}",
        "a key of an exchange or a data service": r"[PA]K(?=[A-Z]*[0-9])(?:[A-Z0-9]{24}|[A-Z0-9]{18})(?![A-Za-z0-9])"
        rf"|db-{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9]{{29}}(?![A-Za-z0-9_-])|appid=[0-9a-f]{{32}}(?![0-9a-f])"
        r"|infura\.io/(?:ws/)?v3/[0-9a-f]{32}|alchemy\.com/v2/[A-Za-z0-9_-]{32}",
        "a token of a chat or a tool": rf"oauth:[a-z0-9]{{30}}(?![a-z0-9])|(?:sub|pub)-c-{_UUID}"
        r"|sec-c-[A-Za-z0-9]{48}"
        rf"|waka_{_UUID}|loggly\.com/inputs/{_UUID}|2[A-Za-z0-9]{{26}}_[0-9][A-Za-z0-9]{{20}}(?![A-Za-z0-9])"
        r"|CC_TEST_REPORTER_ID=[0-9a-f]{64}|(?i:contribsys__com)=[0-9a-f]{8}:[0-9a-f]{8}",
        "a key of storage": rf"(?<![+/])(?:YC{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9_-]{{38}}|K00[0-9][A-Za-z0-9/+]{{27}}"
        r"|IGQ[A-Za-z0-9_-]{60,1000})(?![A-Za-z0-9+/=_-])",
        "a key of Laravel": r"base64:[A-Za-z0-9+/]{43}=",
        "a hash of a password": r"\$(?:apr1|[156y]|2[aby]\$[0-9]{2})\$[A-Za-z0-9./$+]{22,}",
        "a key, by its prefix": r"(?<![_-])(?:[a-z][a-z0-9]{0,15}_)?(?:[sra]k|c[ks]|secret|live|prod|api|pat|key"
        rf"|testsk)_(?:[a-z]{{2,10}}_)?{_TWO_DIGITS_LOOKAHEAD}[A-Za-z0-9]{{20,150}}(?![A-Za-z0-9_-])(?:\.[a-z]{{2}}(?![a-z]))?",
        **RARER_KEY_SHAPES,
        "a TeamCity token": r"eyJ0eXAiOiAiVENWMiJ9\.[A-Za-z0-9._-]{40,}",
        "a PuTTY key": r"PuTTY-User-Key-File-[23]:(?:[\s\S]*?Private-MAC: [0-9a-f]+|[\s\S]*)",
        "a Kaggle key": r"key\\*\x22\s*:\s*\\*\x22[0-9a-f]{32}\\*\x22\s*\}",
        **NAMED_KEY_SHAPES,
    }
)

_UNBOUNDED_LOOK_FOR_A_CHARACTER_PATTERN = re.compile(r"\]\*(?=\[(?:0-9|a-z|A-Z|A-Za-z)\])")
KEY_SHAPES: Mapping[str, str] = MappingProxyType(
    {kind: _UNBOUNDED_LOOK_FOR_A_CHARACTER_PATTERN.sub("]{0,100}", shape) for kind, shape in _SHAPES.items()}
)
"""The regular expression of each kind of key, by a description of the kind. A filter may use them as patterns.

A required digit or letter is looked for in the first 100 characters, so that a long word without one is not read again
from each of its positions.
"""
