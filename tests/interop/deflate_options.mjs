// The options that ws has for parameters of permessage-deflate as the RFC spells them.
export function deflateOptions(params) {
    const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
    const options = params.map((param) => param.split("=")).map(([name, value]) => [camel(name), value ? Number(value) : true]);
    return { threshold: 0, ...Object.fromEntries(options) };
}
