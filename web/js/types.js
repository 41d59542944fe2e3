// @ts-check
/**
 * The shapes of the API, as far as the page looks at them, and what a view is.
 *
 * @typedef {"pending" | "pulling" | "starting" | "running" | "stopping" | "stopped" | "failed"} Status
 * @typedef {{ type: string, url: string, internalPort: number }} Endpoint
 * @typedef {{ code: string, message: string }} Reason
 * @typedef {{ layersDone: number, layersTotal: number, bytesDone: number | null, bytesTotal: number | null }} Pull
 * @typedef {{ cpus: number | null, memoryMb: number | null, shmMb: number | null, gpus: number | string[], minVramMb: number | null, vramMb: number | null, exclusive: boolean }} Resources
 * @typedef {{ path: string, port: number | null }} HealthCheck
 * @typedef {{ name: string, path: string }} Volume
 * @typedef {{ port: number, protocol: "http" | "tcp", name: string | null }} Port
 *
 * @typedef {object} Deployment
 * @property {string} id
 * @property {string} userId
 * @property {string} nodeId
 * @property {string | null} templateId
 * @property {string} name
 * @property {Status} status
 * @property {Endpoint[]} endpoints
 * @property {Record<string, string>} env
 * @property {number} totalCost in cents
 * @property {string} createdAt
 * @property {string} [startedAt]
 * @property {string} [stoppedAt]
 * @property {string} updatedAt
 * @property {string} image
 * @property {Reason | null} statusReason
 * @property {"healthy" | "unhealthy" | "unknown"} health
 * @property {number} restartCount
 * @property {number | null} exitCode
 * @property {Resources} resources
 * @property {Port[] | null} ports null: those the image says it listens on
 * @property {Volume[]} volumes
 * @property {string[] | null} command
 * @property {HealthCheck | null} healthCheck
 * @property {"public" | "private"} access
 * @property {string | null} hostname
 * @property {string} restartPolicy
 * @property {string[]} secretNames
 * @property {string[]} actions
 * @property {number} hourlyRateCents
 * @property {Pull | null} pull
 * @property {number} leakedVramMb what it left on GPUs that it does not hold any more
 * @property {{ servingImage: string, interrupted: boolean } | null} [update] what serves until the change does
 *
 * @typedef {{ page: number, limit: number, total: number, totalPages: number }} Pagination
 *
 * @typedef {object} HistoryEvent
 * @property {number} id
 * @property {string} deploymentId
 * @property {string} at
 * @property {string} type
 * @property {Status | null} status
 * @property {string | null} code
 * @property {string} message
 * @property {string | null} actorId
 *
 * @typedef {HistoryEvent & { deployment: Deployment | null }} Change
 *
 * @typedef {{ name: string, description: string, default: string | null, required: boolean, secret: boolean }} TemplateVariable
 *
 * @typedef {object} Template
 * @property {string} id
 * @property {string} name
 * @property {string} description
 * @property {string} category
 * @property {string} image
 * @property {string[] | null} command
 * @property {Port[]} ports
 * @property {TemplateVariable[]} env
 * @property {Volume[]} volumes
 * @property {Resources} resources
 * @property {{ required: boolean, minVramMb: number | null }} gpu
 * @property {HealthCheck | null} health
 * @property {"public" | "private"} access
 *
 * @typedef {object} Gpu
 * @property {string | null} name
 * @property {string | null} brand
 * @property {number | null} vramMb
 * @property {string | null} driverVersion
 * @property {string | null} cudaVersion
 * @property {number} index
 * @property {string | null} uuid
 * @property {number | null} [vramUsedMb]
 * @property {number | null} [utilizationPercent]
 * @property {number | null} [powerWatts]
 * @property {number | null} [temperatureC]
 * @property {{ deploymentId: string | null, vramMb: number | null }[]} [holders]
 * @property {number} [foreignVramMb]
 * @property {{ deploymentId: string | null, vramMb: number }[]} [leaked]
 *
 * @typedef {object} MachineNode
 * @property {string} id
 * @property {string} name
 * @property {string} status
 * @property {Record<string, any>} specs
 * @property {{ cpus: number | null, memoryMb: number | null, diskGb: number | null, gpus: number }} available
 * @property {Gpu[]} gpus
 * @property {string | null} region
 * @property {string | null} country
 * @property {number} hourlyRateCents
 * @property {number} [gpuHourlyRateCents]
 * @property {number} activeDeployments
 * @property {number} maxDeployments
 * @property {number | null} uptimePercent
 * @property {string} lastHeartbeat
 * @property {string} createdAt
 *
 * @typedef {{ id: string, email: string, role: "admin" | "user", disabled: boolean, createdAt: string }} User
 * @typedef {{ id: string, name: string, scope: "read" | "write", createdAt: string, expiresAt: string, lastUsedAt: string | null }} ApiToken
 * @typedef {{ timestamp: string, stream: "stdout" | "stderr", message: string }} LogLine
 *
 * @typedef {import("./app.js").App} App
 * @typedef {{ app: App, params: Record<string, string>, query: URLSearchParams }} Place
 * @typedef {() => void} Unmount
 * @typedef {{ title: string, mount: (root: HTMLElement, place: Place) => Unmount }} View
 */

export {};
