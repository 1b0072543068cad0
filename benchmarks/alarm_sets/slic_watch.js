// Adds SLIC Watch's alarms, with its defaults, to a CloudFormation template, as its plugin does in the Serverless Framework.
// usage: node slic_watch.js FOLDER-OF-NODE-MODULES TEMPLATE.json > WITH-ALARMS.json
const fs = require('fs')
const path = require('path')
const [, , modules, file] = process.argv
const Plugin = require(path.join(modules, 'serverless-slic-watch-plugin'))
const template = JSON.parse(fs.readFileSync(file, 'utf8'))
const quiet = new Proxy({}, { get: () => () => {} })
const serverless = {
  cli: quiet,
  getProvider: () => ({ naming: { getLambdaLogicalId: (name) => name } }),
  service: {
    custom: { slicWatch: { topicArn: 'arn:aws:sns:eu-west-1:123456789012:on-call' } },
    provider: { name: 'aws', compiledCloudFormationTemplate: template },
    resources: {},
    getAllFunctions: () => [],
    getFunction: () => ({})
  }
}
const plugin = new Plugin(serverless, {}, { log: quiet })
Object.values(plugin.hooks)[0]()
process.stdout.write(JSON.stringify(template))
